/** What a host tells of real machines: what they use, and what their consoles said. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type VmConsole, type VmStats, vmConsole, vmStats } from '../../../shared/contracts/host.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, spec } from './requests.ts'

let host: Daemon
before(async () => {
  host = await Daemon.start()
  await create(host, spec('busy'))
})
after(() => host?.stop())

const statsOf = async (id: string): Promise<VmStats> =>
  vmStats.parse(JSON.parse((await host.send('GET', `/v1/vms/${id}/stats`)).body))
const consoleOf = async (id: string, query = ''): Promise<VmConsole> =>
  vmConsole.parse(JSON.parse((await host.send('GET', `/v1/vms/${id}/console${query}`)).body))
const MIB = 1_048_576

test('processor, memory and disk that a sandbox uses show in its stats', async () => {
  const before = await statsOf('busy')
  assert.equal(before.state, 'running')
  assert.ok(before.resident_bytes > before.private_bytes && before.private_bytes > 0, JSON.stringify(before))
  await exec(
    host,
    'busy',
    'head -c 50M /dev/urandom > big; sync; python3 -c "import time; x = bytearray(b\'x\' * 60_000_000); time.sleep(0.2)"',
  )
  const used = await statsOf('busy')
  assert.ok(used.cpu_ms - before.cpu_ms >= 100, `${before.cpu_ms} -> ${used.cpu_ms} ms`)
  assert.ok(used.private_bytes - before.private_bytes >= 50 * MIB, JSON.stringify([before, used]))
  assert.ok(used.disk_bytes - before.disk_bytes >= 45 * MIB, JSON.stringify([before, used]))
})

test('a paused sandbox uses no processor, and looking does not wake it', async () => {
  await host.send('POST', '/v1/vms/busy/pause')
  const [first, console] = [await statsOf('busy'), await consoleOf('busy')]
  await new Promise((resolve) => setTimeout(resolve, 300))
  const second = await statsOf('busy')
  assert.equal(second.state, 'paused')
  assert.ok(second.cpu_ms - first.cpu_ms <= 20, `${first.cpu_ms} -> ${second.cpu_ms} ms`)
  assert.ok(console.next >= 0)
  const deadlines = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 }
  await host.send('POST', '/v1/vms/busy/resume', deadlines)
})

test('what is printed to the console is told line by line, without what could harm a terminal', async () => {
  const { next } = await consoleOf('busy')
  await exec(host, 'busy', String.raw`printf 'hello\n\033[2J\033]0;owned\007red\n' > /dev/ttyS0`, { user: 'root' })
  // What is printed takes its own way to the host.
  await host.until('it is told', 60_000, async () => (await consoleOf('busy', '?lines=1')).lines[0] === 'red')
  const seen = await consoleOf('busy', `?after=${next}`)
  assert.deepEqual(seen.lines.slice(-2), ['hello', 'red'])
  assert.deepEqual((await consoleOf('busy', '?lines=1')).lines, ['red'])
  assert.deepEqual(await consoleOf('busy', `?after=${seen.next}`), { lines: [], next: seen.next })
})

test('a guest that floods its console is told as far as it is kept, and the host answers on', async () => {
  await exec(host, 'busy', 'timeout 2 cat /dev/urandom > /dev/ttyS0; echo; true', { user: 'root' })
  const { lines } = await consoleOf('busy')
  assert.ok(lines.length <= 1_000)
  for (const line of lines) assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u)
  assert.equal((await host.capacity()).running, 1)
})

test('of a sandbox that is not there nothing is told', async () => {
  for (const path of ['stats', 'console']) assert.equal((await host.send('GET', `/v1/vms/none/${path}`)).status, 404)
  assert.equal((await host.send('GET', '/v1/vms/busy/console?lines=0')).status, 422)
})
