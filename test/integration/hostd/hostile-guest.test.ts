/**
 * Root inside a sandbox takes the agent's own connection to the host and turns it against it. Its machine ends with the reason; the
 * daemon and the other sandboxes go on as if nothing had happened.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, spec, textOf } from './requests.ts'

const FOUND_OUT_MS = 60_000
/** For a slow and busy machine: a daemon that is kept busy answers nobody for as long as the attack goes on. */
const NEIGHBOUR_MS_MAX = 30_000
const GROWTH_BYTES_MAX = 128 * 1024 * 1024

let host: Daemon
before(async () => {
  host = await Daemon.start({ ATOLL_POOL: 'default@xs=1' })
  await create(host, spec('neighbour'))
})
after(() => host?.stop())

const reasonOf = async (id: string): Promise<string | undefined> =>
  (await host.inventory()).lost.find((loss) => loss.id === id)?.reason

const daemonBytes = async (): Promise<number> => {
  const { body } = await host.send('GET', '/metrics')
  return Number(/^process_resident_memory_bytes (\d+)$/m.exec(body)?.[1] ?? assert.fail())
}

/** Python that writes to every port of the agent, process 1: `pidfd_open` is call 434, `pidfd_getfd` is call 438. */
const takeOver = (say: string): string => `python3 - <<'END'
import ctypes, os
call = ctypes.CDLL(None, use_errno=True).syscall
agent = call(434, 1, 0)
ports = [n for n in os.listdir('/proc/1/fd') if 'vport' in os.readlink('/proc/1/fd/' + n)]
taken = [call(438, agent, int(n), 0) for n in ports]
assert taken and min(taken) >= 0, (ports, taken, ctypes.get_errno())
for port in taken: os.set_blocking(port, False)
${say}
END`

const ATTACKS: [what: string, say: string, reason: RegExp][] = [
  [
    'garbage',
    `
import time
for _ in range(50):
    for port in taken:
        try: os.write(port, os.urandom(4096))
        except BlockingIOError: pass
    time.sleep(0.05)`,
    /broke the rules of HTTP\/2/,
  ],
  [
    'window updates without end',
    `
import select
flood = bytes([0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1]) * 1000
while True:
    for port in taken:
        try:
            done = 0
            while done < len(flood):
                try: done += os.write(port, flood[done:])
                except BlockingIOError: select.select([], [port], [], 1)
        except OSError: pass`,
    /sent without end|broke the rules/,
  ],
]

for (const [index, [what, say, reason]] of ATTACKS.entries()) {
  test(`a guest that sends ${what} on the agent’s own port loses its machine, and nobody else notices`, async (context) => {
    const id = `hostile-${index}`
    await create(host, spec(id))
    const before = await daemonBytes()
    let slowestMs = 0
    const attack = exec(host, id, takeOver(say), { user: 'root', timeout_ms: FOUND_OUT_MS })
    await host.until('its machine is ended', FOUND_OUT_MS, async () => {
      const heard = await exec(host, 'neighbour', 'echo here')
      assert.equal(textOf(heard), 'here\n')
      slowestMs = Math.max(slowestMs, heard.ms)
      return (await reasonOf(id)) !== undefined
    })
    const answer = await attack
    context.diagnostic(
      `${await reasonOf(id)} The neighbour waited ${Math.round(slowestMs)} ms at most. ${textOf(answer)}`,
    )
    assert.ok(slowestMs < NEIGHBOUR_MS_MAX)
    assert.match((await reasonOf(id)) ?? '', reason)
    assert.ok((await daemonBytes()) - before < GROWTH_BYTES_MAX)
    await assert.rejects(host.machineOf(id))
  })
}
