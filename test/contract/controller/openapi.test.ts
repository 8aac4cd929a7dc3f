/** The document of the API: valid by somebody else's reading of the standard, whole, and with examples that are accepted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import * as z from 'zod'
import { openApiDocument } from '../../../origin/controller/openapi/document.ts'
import { EXAMPLES } from '../../../origin/controller/openapi/examples.ts'
import { keyOf, openApiPath } from '../../../origin/controller/openapi/operation.ts'
import { ALL_ROUTES } from '../../../shared/contracts/all-routes.ts'
import { ERRORS } from '../../../shared/errors.ts'
import { isPodflarePath } from '../../../shared/podflare-errors.ts'

const text = JSON.stringify(openApiDocument(ALL_ROUTES))
const document: Document = JSON.parse(text)
type Operation = {
  operationId: string
  security: Record<string, string[]>[]
  responses: Record<string, unknown>
  parameters: { name?: string; in?: string; description?: string }[]
  requestBody?: { content: { 'application/json'?: { schema: Schema } } }
}
type Schema = { description?: string; properties?: Record<string, Schema>; anyOf?: Schema[] }
type Document = {
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Record<string, unknown>>
}

const operations = Object.values(document.paths).flatMap((path) => Object.values(path))

test('the document is OpenAPI 3.1', async () => {
  const validator = new Validator()
  const { valid, errors } = await validator.validate(JSON.parse(text))
  assert.ok(valid, JSON.stringify(errors))
  assert.equal(validator.version, '3.1')
})

test('every public route is in it, with its scope, its success and its errors', () => {
  for (const route of ALL_ROUTES) {
    const operation = document.paths[openApiPath(route.path)]?.[route.method.toLowerCase()]
    assert.ok(operation, keyOf(route))
    assert.ok(operation.responses[route.status], keyOf(route))
    const failures = isPodflarePath(route.path) ? ['default'] : ['429', '500', '503']
    for (const status of failures) assert.ok(operation.responses[status], `${keyOf(route)} ${status}`)
    const scopes = operation.security.flatMap(({ apiKey }) => apiKey ?? [])
    assert.deepEqual(scopes, route.scope === null ? [] : [route.scope], keyOf(route))
    const named = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name)
    assert.deepEqual(
      named,
      [...route.path.matchAll(/:([a-z_]+)/gi)].map(([, name]) => name),
      keyOf(route),
    )
  }
  assert.equal(operations.length, ALL_ROUTES.length)
})

test('every code of the table of errors is in it', () => {
  const responses = JSON.stringify(document.components.responses)
  for (const code of Object.keys(ERRORS)) assert.ok(responses.includes(`\`${code}\``), code)
})

// A generated client has one function for each.
test('no two operations have one name', () => {
  const names = operations.map(({ operationId }) => operationId)
  assert.deepEqual(names, [...new Set(names)])
})

test('whatever it refers to is there', () => {
  for (const [, at = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
    const found = at.split('/').reduce<unknown>((inner, key) => Object(inner)[key], document)
    assert.ok(found, at)
  }
})

test('every example is a body that its route accepts', () => {
  for (const [key, example] of Object.entries(EXAMPLES)) {
    const route = ALL_ROUTES.find((one) => keyOf(one) === key)
    assert.ok(route?.body, `${key} takes no body`)
    const read = route.body.safeParse(example)
    assert.ok(read.success, `${key}: ${JSON.stringify(read.error?.issues)}`)
  }
})

test('a route that needs a body has an example', () => {
  const bare = ALL_ROUTES.filter((route) => route.body?.safeParse({}).success === false && !EXAMPLES[keyOf(route)])
  assert.deepEqual(bare.map(keyOf), [], 'Add them to origin/controller/openapi/examples.ts')
})

// What a field is, in which unit, and what counts without it, is read from nowhere else.
test('every field that a caller may send says what it is', () => {
  const fieldsOf = ({ properties = {} }: Schema): [string, Schema][] =>
    Object.entries(properties).flatMap(([name, schema]) => [
      [name, schema],
      ...[schema, ...(schema.anyOf ?? [])].flatMap(fieldsOf),
    ])
  const silent = operations.flatMap(({ operationId, requestBody, parameters }) => {
    const body = fieldsOf(requestBody?.content['application/json']?.schema ?? {})
    const query = parameters.filter((parameter) => parameter.in === 'query')
    const all = [...body, ...query.map((parameter): [string, Schema] => [String(parameter.name), parameter])]
    return all.filter(([, { description }]) => !description).map(([name]) => `${operationId} ${name}`)
  })
  assert.deepEqual(silent, [], 'Say it with .describe() where the schema is.')
})

// Who reads a list page by page has to know where new rows come in.
test('every list says its order', () => {
  const lists = ALL_ROUTES.filter(({ answer }) => {
    const { data } = answer instanceof z.ZodObject ? answer.shape : {}
    return data instanceof z.ZodArray && !(data.element instanceof z.ZodNever)
  })
  assert.ok(lists.length > 10)
  const silent = lists.filter(({ summary }) => !/(newest|oldest|smallest) first|order|by name/.test(summary))
  assert.deepEqual(silent.map(keyOf), [], 'Say it in the summary of the route.')
})
