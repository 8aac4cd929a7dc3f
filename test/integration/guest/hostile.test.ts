/** A command that floods, never ends, multiplies, eats all memory or attacks the agent costs itself and nothing else. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import { until } from '../../harness/until.ts'
import { orderOf, run } from './command.ts'
import { bootMachine, type Machine } from './machine.ts'

let machine: Machine
let session: GuestSession
before(async () => {
  machine = await bootMachine()
  session = await machine.open()
})
after(() => machine?.stop())

const agentMemoryKib = async (): Promise<number> =>
  Number((await run(session, "awk '/VmRSS/{print $2}' /proc/1/status")).stdout)
const countOf = async (name: string): Promise<number> =>
  Number((await run(session, `pgrep -c -x ${name} || true`)).stdout)
const stillServes = async () => assert.equal((await run(session, 'echo fine')).stdout, 'fine\n')

test('a command that never ends is killed when its time is over, and told so', async () => {
  const outcome = await run(session, 'echo begun; sleep 600', { timeout_ms: 2_000 })
  assert.equal(outcome.reason, 'timeout')
  assert.equal(outcome.exit_code, 124)
  assert.equal(outcome.stdout, 'begun\n')
  assert.ok(outcome.duration_ms < 60_000)
})

test('a timeout also kills what has left the process group and lost its parent', async () => {
  await run(session, 'setsid bash -c "(sleep 601 &) ; sleep 602" & sleep 0.2; trap "" TERM; sleep 603', {
    timeout_ms: 3_000,
  })
  await until('all of them to be gone', async () => (await countOf('sleep')) === 0)
})

test('a flood is cut at the limit, marked, and leaves the agent as small as it was', async () => {
  await run(session, 'head -c 3000000 /dev/zero', { output_bytes_max: 100_000 })
  const before = await agentMemoryKib()
  const outcome = await run(session, 'head -c 50000000 /dev/zero; head -c 50000000 /dev/zero >&2; echo end', {
    output_bytes_max: 100_000,
  })
  assert.equal(outcome.exit_code, 0)
  assert.equal(Buffer.byteLength(outcome.stdout), 100_000)
  assert.equal(Buffer.byteLength(outcome.stderr), 100_000)
  assert.ok(outcome.stdout_truncated && outcome.stderr_truncated)
  assert.ok((await agentMemoryKib()) - before < 8_192)
})

test('output of exactly the limit is whole', async () => {
  const outcome = await run(session, 'head -c 65536 /dev/zero', { output_bytes_max: 65_536 })
  assert.deepEqual([Buffer.byteLength(outcome.stdout), outcome.stdout_truncated], [65_536, false])
})

test('a reader that is slow holds the command up, not the memory', async () => {
  let bytes = 0
  for await (const frame of session.exec(orderOf('head -c 8000000 /dev/zero', { output_bytes_max: 8_000_000 }))) {
    if (bytes === 0) await new Promise((resolve) => setTimeout(resolve, 1_000))
    bytes += frame.payload.length
  }
  assert.ok(bytes >= 8_000_000)
})

test('a fork bomb ends with its time, and the agent answers while it goes off', async () => {
  const bomb = run(session, 'b() { b | b & }; b; sleep 60', { timeout_ms: 6_000 })
  await new Promise((resolve) => setTimeout(resolve, 3_000))
  assert.equal((await session.health()).ok, true)
  assert.equal((await bomb).reason, 'timeout')
  await stillServes()
  await until('what it had started to be gone', async () => (await countOf('bash')) < 10)
})

test('nobody inside can end the agent', async () => {
  const signals = 'for s in $(seq 1 31); do [ $s = 19 ] || kill -$s 1; done; kill -9 -1; true'
  await run(session, signals, { user: 'root' })
  assert.equal((await session.health()).ok, true)
  await stillServes()
})

test('a command that wants more memory than there is dies alone', async () => {
  const outcome = await run(session, ['python3', '-c', 'x = [b"x" * (16 << 20) for _ in range(60)]; print(len(x))'])
  assert.deepEqual([outcome.exit_code, outcome.reason], [137, 'out_of_memory'])
  await stillServes()
})

test('many at once that want all memory leave the agent alive', async () => {
  const eat = () => run(session, ['python3', '-c', 'x = bytearray(300 << 20); import time; time.sleep(3)'])
  const outcomes = await Promise.all([eat(), eat(), eat(), eat()])
  assert.ok(outcomes.some((outcome) => outcome.exit_code === 137))
  await stillServes()
})

test('a full disk is the command’s problem', async () => {
  const outcome = await run(session, 'fallocate -l 20G big; echo $?; rm -f big', { timeout_ms: 60_000 })
  assert.notEqual(outcome.stdout, '0\n')
  await stillServes()
})

test('orphans that have ended do not stay as zombies', async () => {
  await run(session, 'for i in 1 2 3 4 5; do (sleep 0.1 &); done')
  const zombies = async (): Promise<string> => (await run(session, "ps -eo stat= | grep -c '^Z' || true")).stdout
  await until('the last to end', async () => (await countOf('sleep')) === 0)
  await until('none to be left', async () => (await zombies()) === '0\n')
})

test('leaving the loop kills the command', async () => {
  for await (const _frame of session.exec(orderOf('echo begun; exec sleep 604'))) break
  await until('it to be gone', async () => (await countOf('sleep')) === 0)
})

test('aborting kills the command, and the caller hears its own reason', async () => {
  const stop = new AbortController()
  const running = run(session, 'exec sleep 605', {}, stop.signal)
  setTimeout(() => stop.abort(new Error('enough')), 500)
  await assert.rejects(running, /enough/)
  await until('it to be gone', async () => (await countOf('sleep')) === 0)
})
