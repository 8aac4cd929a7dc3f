/** The calls of one tenant leave connections to a host for those of another. */
import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import { createCallShares } from '../../../origin/controller/hosts/call-shares.ts'
import { connectHost, type Host } from '../../../origin/controller/hosts/client.ts'
import { AppError } from '../../../shared/errors.ts'
import { startHostDouble } from '../../integration/controller/support/host-double.ts'
import { vmSpecOf } from '../../integration/controller/support/vm-spec.ts'

const mine = { host: 'h1', tenant: 'one' }
const isFull = (thrown: unknown): boolean => thrown instanceof AppError && thrown.code === 'call_limit'
const nobodyLeaves = new AbortController().signal
const closed = (stream: Readable) => new Promise<void>((resolve) => stream.once('close', resolve))

test('a tenant with all the calls that it may have is refused one more there, and nobody else is, nor is it elsewhere', async () => {
  const shares = createCallShares(2)
  const ends: (() => void)[] = []
  const last = () => new Promise<{ kind: 'ran' }>((resolve) => ends.push(() => resolve({ kind: 'ran' })))
  const calls = [shares.within(mine, last), shares.within(mine, last)]
  const never = (): Promise<never> => assert.fail('what is refused is not called')
  await assert.rejects(shares.within(mine, never), isFull)
  const now = async () => ({ kind: 'ran' })
  await shares.within({ ...mine, tenant: 'two' }, now)
  await shares.within({ ...mine, host: 'h2' }, now)
  ends.pop()?.()
  await Promise.race(calls)
  await shares.within(mine, now)
})

// A place that is never given back would lock its tenant out little by little.
test('a call gives its place back however it ends: answered, refused, thrown, read to the end, broken off or closed before', async () => {
  const shares = createCallShares(1)
  const isFree = () => shares.within(mine, async () => ({ kind: 'ran' }))
  await shares.within(mine, async () => ({ kind: 'refused', error: new AppError('sandbox_lost', 'It is gone.') }))
  await assert.rejects(
    shares.within(mine, () => Promise.reject(new Error('no'))),
    /no/,
  )
  const whole = await shares.within(mine, async () => ({ body: Readable.from(['all']) }))
  await assert.rejects(isFree(), isFull)
  await whole.body.toArray()
  await isFree()
  const broken = await shares.within(mine, async () => ({ socket: new PassThrough() }))
  await assert.rejects(isFree(), isFull)
  broken.socket.on('error', () => {}).destroy(new Error('cut'))
  await closed(broken.socket)
  await isFree()
  const ended = new PassThrough().destroy()
  await closed(ended)
  await shares.within(mine, async () => ({ body: ended }))
  await isFree()
})

test('answers and conversations of a real host count until they are closed, and no longer', async () => {
  const double = await startHostDouble('h1')
  const host: Host = connectHost({ kind: 'socket', name: 'h1', socketPath: double.socketPath })
  try {
    await host.start({ vm: vmSpecOf('sbx_1') }, {})
    const shares = createCallShares(1)
    const request = { method: 'POST', path: 'talk' } as const
    const ask = () => shares.within(mine, () => host.guest('sbx_1', request, nobodyLeaves))
    const talk = () => shares.within(mine, () => host.guestStream('sbx_1', request, nobodyLeaves))
    double.agent = (request, response) => {
      response.writeHead(200).write('word')
      request.pipe(response)
    }
    const talking = await talk()
    assert.ok(talking.kind === 'opened')
    await assert.rejects(ask(), isFull)
    talking.socket.end()
    await talking.socket.toArray()
    const answered = await ask()
    assert.ok(answered.kind === 'answered')
    assert.equal(String(Buffer.concat(await answered.body.toArray())), 'word')
    double.agent = (_request, response) => void response.writeHead(200).write('more')
    const slow = await ask()
    assert.ok(slow.kind === 'answered')
    await assert.rejects(talk(), isFull)
    await closed(slow.body.destroy())
    const again = await talk()
    assert.ok(again.kind === 'opened')
    await assert.rejects(ask(), isFull)
    await closed(again.socket.on('error', () => {}).destroy())
    assert.equal((await ask()).kind, 'answered')
  } finally {
    await host.close()
    await double.close()
  }
})
