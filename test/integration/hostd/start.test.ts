/** How sandboxes begin and end on a host with real machines. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { FRAME } from '../../../shared/frames.ts'
import { Daemon } from '../../harness/host-daemon.ts'
import { create, exec, exitOf, isNow, readyOf, shell, spec, textOf, typesOf } from './requests.ts'

let host: Daemon
before(async () => {
  host = await Daemon.start({ ATOLL_POOL: 'default@xs=2' })
})
after(() => host?.stop())

test('a primed machine is claimed and runs its first command in one call', async () => {
  await host.untilPooled('default@xs', 2)
  const sinceMs = Date.now()
  const run = await create(
    host,
    spec('warm', { env: { GREETING: 'hello' } }),
    shell('echo $GREETING; hostname; date +%s'),
  )
  assert.equal(readyOf(run).boot_path, 'warm')
  const [greeting, hostname, seconds] = textOf(run).split('\n')
  assert.deepEqual([greeting, hostname], ['hello', 'warm'])
  assert.ok(isNow(Number(seconds), sinceMs), 'the clock of a frozen machine is set right')
  assert.equal(exitOf(run).exit_code, 0)
})

// The controller writes its row while the command runs, so it must hear of the machine before the command ends.
test('ready comes before the frames of the command, and exited is the last', async () => {
  const run = await create(host, spec('order'), shell('echo out; echo err >&2'))
  const types = typesOf(run).filter((type) => type !== FRAME.provisioning)
  assert.deepEqual([types[0], types[1], types.at(-1)], [FRAME.ready, FRAME.started, FRAME.exited])
  assert.deepEqual([textOf(run), textOf(run, FRAME.stderr)], ['out\n', 'err\n'])
})

test('with an empty pool a clone of the template is restored, and says so', async () => {
  const answers = await Promise.all(['r1', 'r2', 'r3'].map((id) => create(host, spec(id), shell('echo $((20+1))'))))
  assert.deepEqual(
    answers.map((answer) => textOf(answer)),
    ['21\n', '21\n', '21\n'],
  )
  const restored = answers.filter((answer) => readyOf(answer).boot_path === 'restore')
  assert.ok(restored.length >= 1)
  for (const answer of restored) assert.equal(answer.frames[0]?.type, FRAME.provisioning)
})

test('clones of one template share neither random numbers nor files', async () => {
  const ask = 'cat /proc/sys/kernel/random/uuid; ls /workspace; touch /workspace/mine'
  const answers = [await exec(host, 'r1', ask), await exec(host, 'r2', ask)]
  assert.notEqual(textOf(answers[0] ?? assert.fail()), textOf(answers[1] ?? assert.fail()))
  assert.equal(
    textOf(answers[1] ?? assert.fail())
      .trim()
      .split('\n').length,
    1,
  )
})

test('a machine of an unusual shape is booted, and has that shape', async () => {
  const machine = { vcpus: 2, memoryMib: 600, diskMib: 3_000 }
  const run = await create(host, spec('odd', { machine }), shell('nproc; df -m --output=size / | tail -1'))
  assert.match(readyOf(run).boot_path, /cold|restore/)
  const [cpus, diskMib] = textOf(run).trim().split('\n').map(Number)
  assert.equal(cpus, 2)
  assert.ok(diskMib !== undefined && diskMib > 2_500 && diskMib <= 3_000)
})

// Three seconds would be over before a machine has booted that takes ten.
test('the time of a sandbox begins when it is ready, and its host says when it ends', async () => {
  const asked = Date.now() + 600_000
  const machine = { vcpus: 2, memoryMib: 600, diskMib: 3_000 }
  const { boot_ms, expires_at_ms } = readyOf(await create(host, spec('timed', { machine, expires_at_ms: asked })))
  assert.equal(expires_at_ms, Math.ceil(asked + boot_ms))
  const { vms } = await host.inventory()
  assert.equal(vms.find(({ id }) => id === 'timed')?.expires_at_ms, expires_at_ms)
  await host.send('DELETE', '/v1/vms/timed')
})

test('repeating a create answers ready; with a command it is a conflict, and the command does not run', async () => {
  assert.deepEqual(typesOf(await create(host, spec('warm'))), [FRAME.ready])
  assert.equal((await create(host, spec('warm'), shell('touch /workspace/twice'))).status, 409)
  assert.equal(textOf(await exec(host, 'warm', 'ls /workspace')), '')
})

// A caller that went away cannot stop what it started, so the host does.
test('a caller that hangs up ends its command; before the sandbox answered it ends the sandbox, too', async () => {
  const stillRuns = async () => textOf(await exec(host, 'warm', 'pgrep -c sleep')).trim() !== '0'
  await host.hangUp('/v1/vms/warm/exec', shell('sleep 77'), 500)
  await host.until('the command is gone', 60_000, async () => !(await stillRuns()))
  const machine = { vcpus: 1, memoryMib: 513, diskMib: 2_000 }
  await host.hangUp('/v1/vms', { vm: spec('deserted', { machine }) }, 300)
  await host.until('the sandbox is gone', 60_000, async () => {
    return (await host.inventory()).vms.every((vm) => vm.id !== 'deserted')
  })
  await assert.rejects(host.machineOf('deserted'))
})

test('a destroyed sandbox leaves no process and no file, and destroying it again is fine', async () => {
  const { name } = await host.machineOf('warm')
  for (const _ of [1, 2]) assert.equal((await host.send('DELETE', '/v1/vms/warm')).status, 204)
  assert.equal(
    (await host.machines()).some((machine) => machine.name === name),
    false,
  )
  assert.equal((await host.leftovers()).includes(name), false)
  assert.equal((await exec(host, 'warm', 'true')).status, 404)
})

test('a destroy that races a create ends with nothing left, and the create fails', async () => {
  const creating = create(
    host,
    spec('raced', { machine: { vcpus: 1, memoryMib: 512, diskMib: 2_000 } }),
    shell('sleep 20'),
  )
  await host.until('the create is under way', 60_000, async () =>
    (await host.inventory()).vms.some((vm) => vm.id === 'raced'),
  )
  assert.equal((await host.send('DELETE', '/v1/vms/raced')).status, 204)
  const answer = await creating
  assert.ok(answer.status >= 400 || answer.frames.at(-1)?.type === FRAME.error)
  assert.deepEqual(
    (await host.inventory()).vms.filter((vm) => vm.id === 'raced'),
    [],
  )
  await assert.rejects(host.machineOf('raced'))
})

test('unknown templates, impossible machines and broken bodies are refused before anything is started', async () => {
  assert.equal((await create(host, spec('x', { template: 'nope' }))).status, 422)
  assert.equal((await create(host, spec('x', { machine: { vcpus: 99, memoryMib: 1, diskMib: 1 } }))).status, 422)
  assert.equal((await host.stream('/v1/vms', { vm: 1 })).status, 422)
  assert.equal((await exec(host, 'never-made', 'true')).status, 404)
})

test('the pool fills again', async () => {
  for (const { id } of (await host.inventory()).vms) await host.send('DELETE', `/v1/vms/${id}`)
  await host.untilPooled('default@xs', 2)
})
