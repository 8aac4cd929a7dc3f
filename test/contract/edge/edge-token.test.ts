/** The token as the edge writes it is the token as a region reads it: real workerd on one end, the controller's reader on the other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEdgeTokenReader, requireBodyOf } from '../../../origin/controller/accounts/edge-tokens.ts'
import { AppError } from '../../../shared/errors.ts'
import { PUBLIC_KEY, post, setStage } from '../../integration/edge/stage/edge-stage.ts'

const JWKS = { keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] }
const clock = (): number => Date.now()

test('a region accepts what the edge signed: once, in that region, for that method, path and body', async (t) => {
  const { ask, eu1 } = await setStage(t)
  const body = JSON.stringify({ command: 'echo ä' })
  await ask('/r/eu/api/v1/sandboxes/run?x=%2F', post(body))
  const [got] = eu1.received
  assert.ok(got)
  const token = String(got.headers['x-edge-token'])
  const arrival = { method: got.method, pathAndQuery: got.url }
  const read = createEdgeTokenReader(JWKS, 'eu1', clock)

  const claims = await read(token, arrival)
  assert.equal(claims.tenant, 'ten_1')
  requireBodyOf(claims, got.body)

  const refused = (error: unknown): boolean => error instanceof AppError && error.code === 'invalid_token'
  await assert.rejects(read(token, arrival), refused, 'the same token again')
  const elsewhere = createEdgeTokenReader(JWKS, 'usw1', clock)
  await assert.rejects(elsewhere(token, arrival), refused, 'another region')
  const fresh = createEdgeTokenReader(JWKS, 'eu1', clock)
  await assert.rejects(fresh(token, { ...arrival, pathAndQuery: '/v1/sandboxes/run' }), refused, 'another path')
  await assert.rejects(fresh(token, { ...arrival, method: 'PUT' }), refused, 'another method')
  const later = createEdgeTokenReader(JWKS, 'eu1', () => Date.now() + 120_000)
  await assert.rejects(later(token, arrival), refused, 'after its time')
  assert.throws(() => requireBodyOf(claims, Buffer.from('{"command":"rm"}')), refused, 'another body')
})
