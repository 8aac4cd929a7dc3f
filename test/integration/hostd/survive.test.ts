/** What is left of sandboxes when the daemon, a machine or a guest's kernel ends. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { FRAME, frameJson } from '../../../shared/frames.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { Daemon, type Stream } from '../../harness/host-daemon.ts'
import { create, exec, isNow, shell, spec, textOf } from './requests.ts'

const NOTICED_MS = 60_000

let host: Daemon
before(async () => {
  host = await Daemon.start({ ATOLL_POOL: 'default@xs=1' })
})
after(() => host?.stop())

const lossOf = async (id: string) => (await host.inventory()).lost.find((loss) => loss.id === id)
const stateOf = async (id: string) => (await host.inventory()).vms.find((vm) => vm.id === id)?.state

test('a killed daemon finds its sandboxes again, with their memory and files, and reaps what nobody owns', async () => {
  await create(host, spec('kept'), shell('echo data > file; (sleep 1000 & echo $! > pid)'))
  await create(host, spec('frozen'), shell('true'))
  await host.send('POST', '/v1/vms/frozen/pause')
  await host.untilPooled('default@xs', 1)
  const before = await host.machines()
  assert.equal(before.length, 3)

  await host.signal('SIGKILL')
  assert.equal((await host.machines()).length, 3)
  await host.launch()

  assert.deepEqual([await stateOf('kept'), await stateOf('frozen')], ['running', 'paused'])
  assert.equal(textOf(await exec(host, 'kept', 'cat file')), 'data\n')
  const kept = new Set([(await host.machineOf('kept')).pid, (await host.machineOf('frozen')).pid])
  const spare = before.find((machine) => !kept.has(machine.pid))
  assert.equal(
    (await host.machines()).some((machine) => machine.pid === spare?.pid),
    false,
  )
})

test('a paused sandbox refuses commands and goes on where it was, with its new deadlines', async () => {
  assert.equal((await exec(host, 'frozen', 'true')).status, 409)
  const sinceMs = Date.now()
  const deadlines = { expires_at_ms: sinceMs + 600_000, on_expiry: 'pause', idle_timeout_sec: 0 }
  assert.equal((await host.send('POST', '/v1/vms/frozen/resume', deadlines)).status, 200)
  const seconds = Number(textOf(await exec(host, 'frozen', 'date +%s')))
  assert.ok(isNow(seconds, sinceMs), `${seconds}`)
})

const RESUMED = { expires_at_ms: null, on_expiry: 'pause', idle_timeout_sec: 0 }
const TIME_MS = 6_000

/** A line of shell that waits inside of the machine. */
const untilSo = (condition: string): string => `until [ ${condition} ]; do sleep 0.1; done`

/** What became of a call whose machine was stopped: the host's last word, by the status or by the last frame. */
function lastWord(stream: Stream): string {
  const last = stream.frames.at(-1)
  return last?.type === FRAME.error ? JSON.stringify(frameJson(last)) : stream.body
}

// A sandbox that is paused overnight in the middle of its work goes on with it in the morning.
test('a pause answers who waits at once; the command goes on afterwards, and the time between is not taken from it', async () => {
  const line = 'sleep 2; head -c 300000 /dev/zero | tr "\\0" x; echo awake > woken'
  const command = exec(host, 'frozen', `echo begun; touch begun; ${line}`, { timeout_ms: TIME_MS })
  await exec(host, 'frozen', untilSo('-e begun'))
  const pausedMs = performance.now()
  await host.send('POST', '/v1/vms/frozen/pause')
  const answer = await command
  assert.ok(performance.now() - pausedMs < TIME_MS)
  assert.match(lastWord(answer), /sandbox_paused/)
  assert.equal(textOf(answer), 'begun\n')
  await sleep(TIME_MS + LIMITS.execDrainMs + LIMITS.guestRequestMs + 1_500)
  assert.equal((await host.send('POST', '/v1/vms/frozen/resume', RESUMED)).status, 200)
  assert.equal(textOf(await exec(host, 'frozen', `${untilSo('-s woken')}; cat woken`)), 'awake\n')
  assert.equal(textOf(await exec(host, 'frozen', 'pgrep -xc sleep')), '0\n')
})

test('every command of a sandbox that is paused is told so, and each goes on over several pauses', async () => {
  const count = (number: number) => exec(host, 'frozen', `touch begun-${number}; sleep 3; echo ${number} >> counted`)
  const commands = [1, 2, 3].map(count)
  await exec(host, 'frozen', untilSo('-e begun-1 -a -e begun-2 -a -e begun-3'))
  await host.send('POST', '/v1/vms/frozen/pause')
  for (const command of commands) assert.match(lastWord(await command), /sandbox_paused/)
  await host.send('POST', '/v1/vms/frozen/resume', RESUMED)
  const another = count(4)
  await exec(host, 'frozen', untilSo('-e begun-4'))
  await host.send('POST', '/v1/vms/frozen/pause')
  assert.match(lastWord(await another), /sandbox_paused/)
  await host.send('POST', '/v1/vms/frozen/resume', RESUMED)
  assert.equal(textOf(await exec(host, 'frozen', `${untilSo('$(wc -l < counted) = 4')}; sort counted`)), '1\n2\n3\n4\n')
})

test('a machine whose process is killed is lost at once, its command says so, and the loss stays until it is acknowledged', async () => {
  const command = exec(host, 'frozen', 'sleep 200')
  await host.until('the command runs', NOTICED_MS, async () => (await stateOf('frozen')) === 'running')
  process.kill((await host.machineOf('frozen')).pid, 'SIGKILL')
  const answer = await command
  assert.ok(answer.status === 502 || answer.frames.at(-1)?.type === FRAME.error)
  await host.until('the loss is told', NOTICED_MS, async () => (await lossOf('frozen'))?.cause === 'died')
  assert.equal((await exec(host, 'frozen', 'true')).status, 502)
  await host.signal('SIGKILL')
  await host.launch()
  assert.ok(await lossOf('frozen'))
  await host.send('DELETE', '/v1/vms/frozen')
  assert.equal(await lossOf('frozen'), undefined)
})

test('a guest that crashes its own kernel is lost with its last words, and no other sandbox notices', async () => {
  await create(host, spec('suicidal'))
  await exec(host, 'suicidal', 'echo c > /proc/sysrq-trigger; sleep 20', { user: 'root' })
  await host.until('the loss is told', NOTICED_MS, async () => (await lossOf('suicidal')) !== undefined)
  assert.match((await lossOf('suicidal'))?.reason ?? '', /sysrq triggered crash/)
  assert.equal(textOf(await exec(host, 'kept', 'cat file')), 'data\n')
})

test('a fork bomb in one sandbox leaves the others answering, and can be destroyed', async () => {
  await create(host, spec('bomb'))
  const bomb = exec(host, 'bomb', ':(){ :|:& };:; sleep 20')
  for (let i = 0; i < 3; i++) assert.equal(textOf(await exec(host, 'kept', 'echo still')), 'still\n')
  assert.equal((await host.send('DELETE', '/v1/vms/bomb')).status, 204)
  await bomb
  await assert.rejects(host.machineOf('bomb'))
})

test('a sandbox whose time is over pauses or goes, as it was told, whether or not a controller asks', async () => {
  const expires_at_ms = Date.now() + 700
  await create(host, spec('pauses', { expires_at_ms }))
  await create(host, spec('goes', { expires_at_ms, on_expiry: 'destroy' }))
  await host.until('one is paused', 60_000, async () => (await stateOf('pauses')) === 'paused')
  await host.until('one is gone', 60_000, async () => (await stateOf('goes')) === undefined)
  assert.equal((await lossOf('goes'))?.cause, 'expired')
})

test('a first command is told at once that the time of its sandbox is over, and whether it was paused or is gone', async () => {
  const beganMs = performance.now()
  const endsSoon = (on_expiry: 'pause' | 'destroy') => ({ expires_at_ms: Date.now() + 2_000, on_expiry })
  const [paused, gone] = await Promise.all([
    create(host, spec('late-kept', endsSoon('pause')), shell('sleep 4; echo late > late')),
    create(host, spec('late-gone', endsSoon('destroy')), shell('sleep 200')),
  ])
  assert.ok(performance.now() - beganMs < 60_000)
  assert.match(lastWord(paused), /sandbox_paused/)
  assert.match(lastWord(gone), /sandbox_expired/)
  assert.equal(await stateOf('late-kept'), 'paused')
  await host.until('the other is gone', 60_000, async () => (await stateOf('late-gone')) === undefined)
  assert.equal((await exec(host, 'late-gone', 'true')).status, 410)
  await host.send('POST', '/v1/vms/late-kept/resume', RESUMED)
  assert.equal(textOf(await exec(host, 'late-kept', `${untilSo('-s late')}; cat late`)), 'late\n')
  for (const id of ['late-kept', 'late-gone']) await host.send('DELETE', `/v1/vms/${id}`)
})

test('an idle sandbox pauses, but not while a command runs', async () => {
  await create(host, spec('idler', { idle_timeout_sec: 3 }))
  const command = exec(host, 'idler', 'sleep 5; echo done')
  assert.equal(textOf(await command), 'done\n')
  await host.until('it is paused', 60_000, async () => (await stateOf('idler')) === 'paused')
})

test('an orderly restart keeps sandboxes and ends the pool; Ctrl-C ends everything', async () => {
  await host.untilPooled('default@xs', 1)
  await host.signal('SIGTERM')
  assert.equal((await host.machines()).length, 3)
  await host.launch()
  assert.equal(textOf(await exec(host, 'kept', 'cat file')), 'data\n')
  await host.signal('SIGINT')
  assert.deepEqual([await host.machines(), await host.leftovers()], [[], []])
})
