/** The table of errors as answers of the document: one for each status, with every code that has it and what to do then. */

import type { Route } from '../../../shared/contracts/route.ts'
import { adviceOf, ERRORS, type ErrorCode } from '../../../shared/errors.ts'

const CODES = Object.keys(ERRORS) as ErrorCode[]
const STATUSES: readonly number[] = [...new Set(CODES.map((code) => ERRORS[code].status))].sort((a, b) => a - b)

/** What any answer may be, whatever is asked; then what only a body, a key, an id or a create can bring about. */
const ALWAYS = [429, 500, 503, 508]
const OF_BODY = [400, 413, 415, 422]
const OF_QUERY = [422]
const OF_KEY = [400, 401, 403]
const OF_THING = [404, 409, 410, 502, 504]
const OF_CREATE = [409, 422, 502, 504]

export function errorStatusesOf(route: Route): number[] {
  const statuses = new Set([
    ...ALWAYS,
    ...(route.body === undefined && route.upload === undefined ? [] : OF_BODY),
    ...(route.query === undefined ? [] : OF_QUERY),
    ...(route.class === 'open' ? [] : OF_KEY),
    ...(route.path.includes(':') ? OF_THING : []),
    ...(route.class === 'create' || route.class === 'create-run' ? OF_CREATE : []),
  ])
  return STATUSES.filter((status) => statuses.has(status))
}

export const errorResponses = (): Record<string, unknown> => ({
  ...Object.fromEntries(
    STATUSES.map((status) => [`Error${status}`, responseOf(CODES.filter((code) => ERRORS[code].status === status))]),
  ),
  PodflareError: {
    description: 'What is wrong, in a sentence.',
    headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } },
    content: {
      'application/json': {
        schema: { type: 'object', required: ['error'], properties: { error: { type: 'string' } } },
      },
    },
  },
})

function responseOf(codes: ErrorCode[]) {
  const isForLater = codes.some((code) => ERRORS[code].retry !== 'never')
  return {
    description: codes.map(describe).join('\n\n'),
    headers: {
      'X-Request-Id': { $ref: '#/components/headers/RequestId' },
      ...(isForLater ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } : {}),
    },
    content: {
      'application/json': {
        schema: { $ref: '#/components/schemas/Error' },
        examples: Object.fromEntries(codes.map((code) => [code, { value: exampleOf(code) }])),
      },
    },
  }
}

function describe(code: ErrorCode): string {
  const [advice, keyless] = [adviceOf(code, true), adviceOf(code, false)]
  return `\`${code}\`: ${advice.next}${keyless === advice ? '' : ` Without an Idempotency-Key: ${keyless.next}`}`
}

function exampleOf(code: ErrorCode) {
  const { retry, next } = ERRORS[code]
  const request_id = 'req_5f0c954d5b7d4c1fa3e1c7b2d4a90f11'
  return { ok: false, error: { code, message: 'What went wrong, in a sentence.', retry, next, request_id }, request_id }
}

export const errorSchema = {
  type: 'object',
  required: ['ok', 'error', 'request_id'],
  properties: {
    ok: { const: false },
    error: {
      type: 'object',
      required: ['code', 'message', 'retry', 'next', 'request_id'],
      properties: {
        code: { type: 'string', enum: CODES },
        message: { type: 'string', description: 'For people; it may change.' },
        retry: {
          enum: ['never', 'same-key', 'later'],
          description: 'Whether the same request may be sent again: never, with the same Idempotency-Key, or later.',
        },
        next: { type: 'string', description: 'What to do now.' },
        request_id: { type: 'string' },
        details: { type: 'object' },
      },
    },
    request_id: { type: 'string' },
  },
}
