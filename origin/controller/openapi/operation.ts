/** One route as an operation of the document. */
import type { Route } from '../../../shared/contracts/route.ts'
import { isPodflarePath } from '../../../shared/podflare-errors.ts'
import { TERMINAL_PROTOCOL } from '../../../shared/terminal-frames.ts'
import { errorStatusesOf } from './errors.ts'
import { EXAMPLES } from './examples.ts'
import { type JsonSchema, schemaOf } from './schema-of.ts'

type Components = Record<string, JsonSchema>

const STREAM_SCHEMA = {
  'text/event-stream': {
    type: 'string',
    description: 'Server-sent events; the type of each also stands inside its data.',
  },
  'application/x-ndjson': { type: 'string', description: 'One JSON object a line.' },
  'application/octet-stream': { type: 'string', format: 'binary', description: 'The bytes, as they are.' },
} as const
const UPLOAD = {
  required: true,
  content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
} as const

/** What shared/terminal-frames.ts says, for readers of the document. */
const SWITCHED =
  `A WebSocket of the sub-protocol \`${TERMINAL_PROTOCOL}\`. Messages are binary, and the first byte says what the rest is; numbers are big endian. ` +
  'To the terminal: `0` bytes that were typed, at most 64 KiB; `5` a size, columns and rows of 2 bytes each. ' +
  'To you: `1` bytes to show; `3` the exit code of the shell in 4 bytes, then the close 1000; `5` a size that somebody else has set; ' +
  '`6` in 8 bytes how many bytes were shown before what comes now: the sum of it and of what you are shown is the `cursor` to go on from. ' +
  'Closed with 1003, 1008 or 1009 for a message that this is not; 1012 to connect again; 4001 when the sandbox was paused, which connecting again ends; 4004 when it is gone.'

export function operationOf(route: Route, components: Components) {
  const example = EXAMPLES[keyOf(route)]
  return {
    operationId: operationIdOf(route),
    tags: [tagOf(route)],
    // Pages show a summary as it is, without the marks of code.
    summary: route.summary.replaceAll('`', ''),
    ...(route.scope === null ? {} : { description: needsOf(route) }),
    security: route.class === 'open' ? [] : [{ apiKey: route.scope === null ? [] : [route.scope] }],
    parameters: [...pathParameters(route), ...queryParameters(route, components), ...headerParameters(route)],
    ...(route.upload === true ? { requestBody: UPLOAD } : {}),
    ...(route.body === undefined
      ? {}
      : {
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: schemaOf(route.body, 'input', components),
                ...(example === undefined ? {} : { example }),
              },
            },
          },
        }),
    responses: {
      [route.status]: success(route, components),
      ...errorsOf(route),
    },
  }
}

const needsOf = ({ scope, link }: Route): string =>
  `Needs the scope \`${scope}\`${link === true ? ', or a link that was signed for this very request' : ''}.`

/** A door of another contract has errors of its own form. */
const errorsOf = (route: Route) =>
  isPodflarePath(route.path)
    ? { default: { $ref: '#/components/responses/PodflareError' } }
    : Object.fromEntries(
        errorStatusesOf(route).map((status) => [status, { $ref: `#/components/responses/Error${status}` }]),
      )

export const keyOf = ({ method, path }: Pick<Route, 'method' | 'path'>): string => `${method} ${path}`

/** `POST /v1/sandboxes/:id/exec` is `postSandboxesIdExec`. Stable for as long as the route is: generated clients are named by it. */
const operationIdOf = ({ method, path }: Route): string =>
  method.toLowerCase() +
  path
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== '' && word !== 'v1')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('')

/** What the page groups by: `sandboxes` of `/v1/sandboxes/:id`. */
export const tagOf = ({ path }: Pick<Route, 'path'>): string => {
  const [first = '', second = ''] = path.split('/').slice(1)
  return first === 'v1' ? second : first
}

export const openApiPath = (path: string): string => path.replaceAll(/:([a-z_]+)(\{[^}]*\})?/gi, '{$1}')

const pathParameters = ({ path }: Route) =>
  [...path.matchAll(/:([a-z_]+)/gi)].map(([, name = '']) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }))

function queryParameters({ query }: Route, components: Components) {
  if (query === undefined) return []
  const input = schemaOf(query, 'input', components)
  const properties = (input.properties ?? {}) as Record<string, JsonSchema>
  // A number that is read out of text says so only of what comes out.
  const read = (schemaOf(query, 'output', components).properties ?? {}) as Record<string, JsonSchema>
  const required = (input.required ?? []) as string[]
  return Object.entries(properties).map(([name, { description, ...schema }]) => {
    const isSaid = Object.keys(schema).some((keyword) => keyword !== 'default')
    const { description: _, ...asRead } = read[name] ?? {}
    return {
      name,
      in: 'query',
      ...(description === undefined ? {} : { description }),
      required: required.includes(name) && isSaid,
      schema: isSaid ? schema : asRead,
    }
  })
}

function headerParameters({ method, class: kind, once, stream }: Route) {
  const named = (name: string) => ({ $ref: `#/components/parameters/${name}` })
  return [
    ...(once === true ? [named('IdempotencyKey')] : []),
    ...(kind === 'create' || kind === 'create-run' ? [named('Region')] : []),
    ...(method === 'GET' && stream === 'text/event-stream' ? [named('LastEventId')] : []),
  ]
}

const streamsOf = ({ stream, forms }: Route): (keyof typeof STREAM_SCHEMA)[] => [
  ...(stream === undefined ? [] : [stream]),
  ...(forms === true ? (['text/event-stream', 'application/x-ndjson'] as const) : []),
]

const FORMS_AS_LINES =
  'One JSON object a line, each with `seq` and `ts`; a `heartbeat` when nothing has happened for a while.'

function streamSchema({ told, forms }: Route, type: keyof typeof STREAM_SCHEMA): JsonSchema {
  const schema = STREAM_SCHEMA[type]
  const lines = forms === true && type === 'application/x-ndjson' ? FORMS_AS_LINES : schema.description
  return { ...schema, description: told === undefined ? lines : `${told} ${lines}` }
}

function success(route: Route, components: Components) {
  const headers = {
    'X-Request-Id': { $ref: '#/components/headers/RequestId' },
    'X-Region': { $ref: '#/components/headers/Region' },
    'Server-Timing': { $ref: '#/components/headers/ServerTiming' },
  }
  const content = {
    ...(route.answer === undefined
      ? {}
      : { 'application/json': { schema: schemaOf(route.answer, 'output', components) } }),
    ...Object.fromEntries(streamsOf(route).map((type) => [type, { schema: streamSchema(route, type) }])),
  }
  const done = Object.keys(content).length === 0 ? 'Done; there is no body.' : 'Done.'
  const description = route.socket === undefined ? done : SWITCHED
  return { description, headers, ...(Object.keys(content).length === 0 ? {} : { content }) }
}
