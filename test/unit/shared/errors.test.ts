import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AppError, ERRORS, type ErrorCode, errorBody, errorHeaders, toAppError } from '../../../shared/errors.ts'

const codes = Object.keys(ERRORS) as ErrorCode[]

test('every error has a lower-case code, a status of an error, and a sentence that says what to do', () => {
  for (const code of codes) {
    assert.match(code, /^[a-z]+(_[a-z]+)*$/)
    assert.ok(ERRORS[code].status >= 400 && ERRORS[code].status < 600, code)
    assert.match(ERRORS[code].next, /^[A-Z].*\.$/, code)
  }
})

// Clients in the field wait for Retry-After on 429 and 503; without it they hammer.
test('every 429 and 503 says when to come back', () => {
  for (const code of codes) {
    const headers = errorHeaders(new AppError(code, 'A message.'))
    const { status } = ERRORS[code] as { status: number }
    if (status === 429 || status === 503) assert.match(headers['retry-after'] ?? '', /^[1-9][0-9]*$/, code)
  }
})

test('nothing internal leaves in an error body, not even of a mistake of our own', () => {
  const mistake = toAppError(new TypeError('cannot read secret of undefined'))
  const body = JSON.stringify(errorBody(mistake, 'req_1'))
  assert.ok(!body.includes('secret'))
  const detailed = new AppError('host_unavailable', 'The machine does not answer.', {
    detail: 'ECONNREFUSED /run/hostd.sock',
    cause: new Error('ECONNREFUSED'),
  })
  assert.ok(!JSON.stringify(errorBody(detailed, 'req_1')).includes('ECONNREFUSED'))
})

test('the request id stands in the two places where clients look', () => {
  const body = errorBody(new AppError('invalid_json', 'The body is not JSON.'), 'req_7')
  assert.equal(body.request_id, 'req_7')
  assert.equal(body.error.request_id, 'req_7')
  assert.equal(body.ok, false)
})

// A command without a key is run as often as it is sent, so a client that obeys `retry` must not send it again.
test('what may have been executed is sent again only with the key that the error names', () => {
  const adviceWith = (details: Record<string, unknown>) => {
    const { retry, next } = errorBody(new AppError('outcome_unknown', 'No answer.', { details }), 'req_1').error
    return { retry, namesKey: next.includes('Idempotency-Key') }
  }
  assert.deepEqual(adviceWith({ idempotency_key: 'mine' }), { retry: 'same-key', namesKey: true })
  assert.deepEqual(adviceWith({ region: 'eu1' }), { retry: 'never', namesKey: false })
})

// The edge may send a request elsewhere only if the first region says it did nothing.
test('only refusals given before anything was done are marked as not executed', () => {
  assert.equal(errorHeaders(new AppError('capacity_exhausted', 'Full.'))['x-not-executed'], '1')
  assert.equal(errorHeaders(new AppError('sandbox_lost', 'Gone.'))['x-not-executed'], undefined)
  assert.equal(errorHeaders(new AppError('database_unavailable', 'Gone.'))['x-not-executed'], undefined)
})
