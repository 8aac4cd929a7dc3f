/** The API as an OpenAPI 3.1 document, made from the route contracts and the table of errors, so that it cannot say what is not so. */
import type { Route } from '../../../shared/contracts/route.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { DELIVERIES } from './deliveries.ts'
import { errorResponses, errorSchema } from './errors.ts'
import { openApiPath, operationOf, tagOf } from './operation.ts'
import type { JsonSchema } from './schema-of.ts'

const INTRODUCTION = `Computers for AI agents: each sandbox is a real microVM, made, used, paused and thrown away by one HTTP API.

Send your API key as \`Authorization: Bearer atl_...\`. Every path also answers under \`/api\`. Answers are \`{"data": ...}\`; errors have a
\`code\` that never changes its meaning, say whether to \`retry\`, and what to do \`next\`.`

/** Of those that need more than their name. */
const TAGS: Readonly<Record<string, { description: string }>> = {
  webhooks: {
    description: 'What is sent, how to verify its signature, and what is tried again: see the webhook `event`.',
  },
}

export function openApiDocument(routes: readonly Route[]) {
  const schemas: Record<string, JsonSchema> = { Error: errorSchema }
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    const path = openApiPath(route.path)
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route, schemas) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Atoll', version: 'v1', description: INTRODUCTION },
    // Wherever the document was read, there the API is.
    servers: [{ url: '/', description: 'this server' }],
    tags: [...new Set(routes.map(tagOf))].map((name) => ({ name, ...TAGS[name] })),
    paths,
    webhooks: DELIVERIES,
    components: {
      schemas,
      responses: errorResponses(),
      parameters: PARAMETERS,
      headers: HEADERS,
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'An API key: `atl_live_...`.' } },
    },
  }
}

const PARAMETERS = {
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    required: false,
    description: 'The same key with the same body has the same answer for a day, and does nothing twice.',
    schema: { type: 'string', maxLength: LIMITS.idempotencyKeyCharsMax },
  },
  Region: {
    name: 'X-Region',
    in: 'header',
    required: false,
    description:
      'A region by code or name, or several in the order of preference. Without it the nearest one with room.',
    schema: { type: 'string', maxLength: LIMITS.regionHeaderCharsMax },
  },
  LastEventId: {
    name: 'Last-Event-ID',
    in: 'header',
    required: false,
    description: 'The `id` of the last event that was read; a stream whose events have ids goes on after it.',
    schema: { type: 'string' },
  },
}

const HEADERS = {
  RequestId: { description: 'Name it when you ask for help.', schema: { type: 'string' } },
  Region: { description: 'Where the request was served.', schema: { type: 'string' } },
  RetryAfter: { description: 'Whole seconds to wait.', schema: { type: 'integer' } },
  ServerTiming: { description: 'Milliseconds by phase.', schema: { type: 'string' } },
}
