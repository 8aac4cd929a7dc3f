/** What a machine is told when it wakes: who it is, what time it is, and randomness that no sibling shares. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import type { GuestSession } from '../../../origin/hostd/guest/session.ts'
import type { GuestWake } from '../../../shared/contracts/guest.ts'
import { run } from './command.ts'
import { bootMachine, type Machine } from './machine.ts'

let machine: Machine
let session: GuestSession
before(async () => {
  machine = await bootMachine()
  session = await machine.open()
})
after(() => machine?.stop())

const wakeOf = (more: Partial<GuestWake> = {}): GuestWake => ({
  now_ms: Date.now(),
  entropy: randomBytes(64).toString('base64'),
  hostname: 'sbx-test-1',
  ...more,
})

test('the clock is the host’s', async () => {
  for (const now_ms of [Date.UTC(2031, 4, 6, 7, 8, 9), Date.now()]) {
    const toldMs = performance.now()
    await session.wake(wakeOf({ now_ms }))
    const aheadMs = Number((await run(session, 'date +%s%3N')).stdout) - now_ms
    const passedMs = performance.now() - toldMs
    assert.ok(aheadMs >= 0 && aheadMs < passedMs + 1_000, `${aheadMs} ms ahead after ${passedMs} ms`)
  }
})

test('the name is the sandbox’s, and resolves inside', async () => {
  await session.wake(wakeOf({ hostname: 'sbx-usw1-abc' }))
  const outcome = await run(session, 'hostname; cat /proc/sys/kernel/hostname; sudo -n true; getent hosts sbx-usw1-abc')
  assert.equal(outcome.stderr, '')
  assert.match(outcome.stdout, /^sbx-usw1-abc\nsbx-usw1-abc\n.*sbx-usw1-abc/)
})

test('the environment of a machine stands under that of a command, and stays until it is told anew', async () => {
  await session.wake(wakeOf({ env: { A: 'machine', B: 'machine' } }))
  assert.equal((await run(session, 'echo $A $B', { env: { B: 'command' } })).stdout, 'machine command\n')
  await session.wake(wakeOf())
  assert.equal((await run(session, 'echo $A $B')).stdout, 'machine machine\n')
  await session.wake(wakeOf({ env: {} }))
  assert.equal((await run(session, 'echo [$A$B]')).stdout, '[]\n')
})

test('a command may bring the wake with it, in one round trip', async () => {
  const wake = wakeOf({ hostname: 'sbx-fused', env: { C: 'fused' } })
  assert.equal((await run(session, 'hostname; echo $C', { wake })).stdout, 'sbx-fused\nfused\n')
})

test('entropy that cannot be right is refused and harms nothing', async () => {
  await assert.rejects(session.wake(wakeOf({ entropy: randomBytes(5_000).toString('base64') })), {
    code: 'guest_unreachable',
  })
  await assert.rejects(session.wake(wakeOf({ entropy: '*' })), { code: 'guest_unreachable' })
  assert.equal((await run(session, 'head -c 16 /dev/urandom | wc -c')).stdout, '16\n')
})

test('the file system is as large as the disk', async () => {
  const gib = Number((await run(session, 'df --output=size -B1M / | tail -1')).stdout) / 1024
  assert.ok(gib > 9.5 && gib < 10.1, `${gib} GiB`)
})

test('the loopback works, and there is no other network', async () => {
  const program =
    'const s = require("net").createServer((c) => c.end("here")).listen(8123, "localhost", () =>' +
    ' require("net").connect(8123, "localhost").on("data", (d) => console.log(String(d))).on("close", () => s.close()))'
  assert.equal((await run(session, ['node', '-e', program])).stdout, 'here\n')
  assert.equal((await run(session, 'ls /sys/class/net')).stdout, 'lo\n')
})

test('a machine has no id that another has', async () => {
  const outcome = await run(session, 'wc -c < /etc/machine-id; ls /etc/ssh 2>/dev/null | grep -c key || true')
  assert.equal(outcome.stdout, '0\n0\n')
})
