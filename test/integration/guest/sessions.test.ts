/** Sessions follow each other over one pair of ports, whatever state the one before was left in. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { after, before, test } from 'node:test'
import { connectPort } from '../../../origin/hostd/guest/connect-port.ts'
import { type GuestSession, openGuestSession } from '../../../origin/hostd/guest/session.ts'
import { AppError } from '../../../shared/errors.ts'
import { until } from '../../harness/until.ts'
import { orderOf, run } from './command.ts'
import { bootMachine, type Machine } from './machine.ts'
import { UNWATCHED } from './unwatched.ts'
import { beginAndVanish as vanish } from './vanish.ts'

let machine: Machine
before(async () => {
  machine = await bootMachine()
})
after(() => machine?.stop())

const isUnreachable = (thrown: unknown): boolean => thrown instanceof AppError && thrown.code === 'guest_unreachable'

test('a hello that comes before the guest is up is answered when it is', async () => {
  const session = await machine.open()
  assert.equal((await run(session, 'echo up')).stdout, 'up\n')
  session.close()
  await session.closed
})

test('sessions follow each other', async () => {
  for (let turn = 0; turn < 5; turn++) {
    const session = await machine.open()
    assert.equal((await run(session, `echo ${turn}`)).stdout, `${turn}\n`)
    session.close()
    await session.closed
  }
})

// A clone of a machine wakes up like this: its template's session open, in the middle of a frame, and nobody ever hangs up.
test('a session that was abandoned in the middle of a frame does not disturb the next', async () => {
  const abandoned = await machine.open()
  const flood = run(abandoned, 'cat /dev/zero', { output_bytes_max: 1024 ** 3 }).catch(() => {})
  await new Promise((resolve) => setTimeout(resolve, 300))
  abandoned.close()
  const next = await machine.open()
  assert.equal((await run(next, 'echo here')).stdout, 'here\n')
  await flood
  next.close()
  await next.closed
})

test('the commands of a session end with it', async () => {
  const first = await machine.open()
  const running = run(first, 'exec sleep 606').catch((thrown: unknown) => thrown)
  await new Promise((resolve) => setTimeout(resolve, 500))
  first.close()
  assert.ok(isUnreachable(await running))
  const second = await machine.open()
  await until('it to be gone', async () => (await sleepers(second)) === '0\n')
  second.close()
  await second.closed
})

// A sandbox that was paused on disk comes back like this: its commands run, and the host that heard them is gone without a word.
test('commands that are kept go on without their session, whatever they say, and their end is told', async () => {
  const flood = 'head -c 20000000 /dev/zero; echo whole > kept-flood'
  const count = 'for i in 1 2 3 4 5 6; do echo $i | tee -a kept-count; sleep 0.5; done'
  await beginAndVanish(flood, count)
  const next = await machine.open({ keepsCommands: true })
  await next.keptEnded({ signal: AbortSignal.timeout(60_000) })
  assert.equal((await run(next, 'cat kept-flood; cat kept-count | tr -d "\\n"')).stdout, 'whole\n123456')
  next.close()
  await next.closed
})

test('a command that is kept may be ended like any other process', async () => {
  await beginAndVanish('exec sleep 607', 'exec sleep 608')
  const second = await machine.open({ keepsCommands: true })
  await until('both to sleep', async () => (await sleepers(second)) === '2\n')
  await run(second, 'pkill -f "sleep 607"')
  await until('one to be gone', async () => (await sleepers(second)) === '1\n')
  await run(second, 'pkill -x sleep')
  await second.keptEnded({ signal: AbortSignal.timeout(60_000) })
  second.close()
  await second.closed
})

test('garbage on both ports is dropped', async () => {
  const data = await dial(machine.dataPath)
  const control = await dial(machine.controlPath)
  data.write(Buffer.alloc(70_000, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'))
  control.write(`${'x'.repeat(5_000)}\nhello \nhello\nwhat NONCE\n\0\0\n`)
  await new Promise((resolve) => setTimeout(resolve, 200))
  data.destroy()
  control.destroy()
  const session = await machine.open()
  assert.equal((await session.health()).ok, true)
  session.close()
  await session.closed
})

test('a host that says hello and hangs up, many times, leaves a guest that answers', async () => {
  for (let turn = 0; turn < 10; turn++) {
    const control = await dial(machine.controlPath)
    control.write(`hello ${turn}\nhello ${turn}${turn}\n`)
    control.destroy()
    await new Promise((resolve) => setTimeout(resolve, 10 * turn))
  }
  const session = await machine.open()
  assert.equal((await session.health()).ok, true)
  session.close()
  await session.closed
})

test('a closed session fails what is asked of it', async () => {
  const session = await machine.open()
  session.close()
  session.close()
  await session.closed
  await assert.rejects(session.health(), isUnreachable)
  await assert.rejects(async () => {
    for await (const _frame of session.exec(orderOf('true'))) assert.fail('A closed session ran something.')
  }, isUnreachable)
})

test('a machine that is not there fails at once, and one that says nothing when the caller gives up', async () => {
  const signal = AbortSignal.timeout(10_000)
  const nowhere = { dataPath: '/nowhere/data', controlPath: '/nowhere/control', signal, ...UNWATCHED }
  await assert.rejects(openGuestSession(nowhere), isUnreachable)
})

test('a machine that ends while a command runs fails that command and closes the session', async () => {
  const session = await machine.open()
  const running = run(session, 'sleep 60').catch((thrown: unknown) => thrown)
  await new Promise((resolve) => setTimeout(resolve, 300))
  await machine.stop()
  assert.ok(isUnreachable(await running))
  await session.closed
})

const dial = (path: string): Promise<Socket> => connectPort(path, AbortSignal.timeout(60_000))

const sleepers = async (session: GuestSession): Promise<string> =>
  (await run(session, 'pgrep -c -x sleep || true')).stdout

/** Begins commands in a session that is cut off a little later, so that the agent is not told of its end. */
const beginAndVanish = (...lines: string[]): Promise<void> =>
  vanish(
    machine,
    '/v1/exec',
    lines.map((line) => orderOf(line, { output_bytes_max: 1024 ** 3 })),
  )
