/** Guarantees about a region that has died: it is left alone but for questions, and nobody waits for it twice. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { LIMITS } from '../../../shared/limits.ts'
import { aSandboxIn, post, setStage } from './stage/edge-stage.ts'

/** Every connection ends with a reset once its request is there, as when the process behind it dies over and over. */
async function aDeadRegion(t: TestContext): Promise<{ url: string; requests: string[] }> {
  const requests: string[] = []
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (data) => {
      requests.push(String(data).split(' HTTP/')[0] ?? '')
      socket.resetAndDestroy()
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests }
}

const isProbe = (request: string): boolean => request === 'GET /healthz'

test('once a region is known to be dead nothing is sent to it but probes, one in every pause', async (t) => {
  const dead = await aDeadRegion(t)
  const { ask, eu1 } = await setStage(t, {
    registry: ({ regions: [west, ...rest], ...registry }) => ({
      ...registry,
      regions: [...(west === undefined ? [] : [{ ...west, url: dead.url }]), ...rest],
    }),
  })
  const inTheDead = `/v1/sandboxes/${aSandboxIn('usw1')}`
  const began = Date.now()
  for (let n = 0; n < LIMITS.breakerFailuresInARow; n++) await (await ask(inTheDead)).body?.cancel()
  const learnt = dead.requests.length
  assert.ok(learnt <= LIMITS.attemptsMax * LIMITS.breakerFailuresInARow, `${learnt}`)

  const created = eu1.received.length
  const answers = await Promise.all(
    Array.from({ length: 200 }, (_, n) =>
      n % 2 === 0
        ? ask('/v1/sandboxes', post({ size: 'xs' }))
        : ask(inTheDead, { method: n % 4 === 1 ? 'GET' : 'DELETE' }),
    ),
  )
  const statuses = answers.map(({ status }) => status)
  await Promise.all(answers.map((answer) => answer.body?.cancel()))
  const later = dead.requests.slice(learnt)
  t.diagnostic(`${learnt} requests until it was known, then ${later.length} probes for 200 requests`)
  assert.deepEqual(
    later.filter((request) => !isProbe(request)),
    [],
  )
  assert.ok(later.length <= 1 + (Date.now() - began) / LIMITS.breakerOpenMs, `${later.length} probes`)
  assert.deepEqual([...new Set(statuses)].toSorted(), [200, 503])
  assert.equal(statuses.filter((status) => status === 200).length, 100)
  assert.equal(eu1.received.length - created, 100)
})
