/** The whole stack, with its processes really killed while sandboxes live. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { childPid, postgresPid } from '../../../infra/local/watch-inner.ts'
import { type Api, apiAt, errorCode, output, record } from '../../harness/api.ts'
import { type LocalStack, removeStack, startLocalStack, waitFor } from '../../harness/local-stack.ts'

const RECOVERY_MS = 120_000

let stack: LocalStack
let edge: Api
let usw1: Api
let roomWhenEmpty: string

before(async () => {
  stack = await startLocalStack({ env: { ATOLL_POOL_SIZE: '2' } })
  connect()
  roomWhenEmpty = await roomFree()
})
after(async () => {
  await stack.stop()
  await removeStack(stack)
})

function connect(): void {
  const { edge: url, regions, api_key } = stack.dev()
  edge = apiAt(url, api_key)
  usw1 = apiAt(regions.usw1 ?? '', api_key)
}

/** What usw1 still has room for, by size. */
async function roomFree(): Promise<string> {
  const { internalToken } = JSON.parse(readFileSync(`${stack.stateDir}/secrets.json`, 'utf8'))
  const { status, body } = await usw1('/v1/capacity', { key: internalToken })
  assert.equal(status, 200)
  return JSON.stringify(body.free)
}

/** Kills a service with -9 and waits until the supervisor has started it anew. */
async function killAndAwaitRestart(name: string): Promise<void> {
  const pid = stack.dev().pids[name]
  assert.ok(pid)
  process.kill(pid, 'SIGKILL')
  await waitFor(`${name} to be started again`, RECOVERY_MS, () => {
    const now = stack.dev().pids[name]
    return now !== undefined && now !== pid
  })
}

/** Which machine is which sandbox's in usw1, as the host's own journal has it. */
function owned(): Map<string, string> {
  const dir = `${stack.stateDir}/regions/usw1/host/machines`
  const records = readdirSync(dir).flatMap((name) => {
    const text = readIfThere(`${dir}/${name}/record.json`)
    return text === '' ? [] : [[(JSON.parse(text) as { spec: { id: string } }).spec.id, name] as const]
  })
  return new Map(records)
}

/** The processes of this stack's machines, as the kernel sees them; of one machine when its name is given. */
function machineProcesses(name = ''): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      const line = commandLine(pid)
      return line.includes('qemu-system') && line.includes(stack.stateDir) && line.includes(name)
    })
    .map(Number)
}

const runsOnce = (id: string): boolean => {
  const name = owned().get(id)
  return name !== undefined && machineProcesses(name).length === 1
}

async function execUntilItWorks(id: string, command: string): Promise<string> {
  let stdout = ''
  await waitFor(`a command in ${id}`, RECOVERY_MS, async () => {
    const answer = await usw1(`/v1/sandboxes/${id}/exec`, { body: { command } }).catch(() => null)
    if (answer?.status !== 200) return false
    stdout = output(answer).stdout
    return true
  })
  return stdout
}

// An agent's work must not depend on a daemon's health: the machines live on, and are found again.
test('hostd is killed with -9: its sandboxes live on with their processes, and serve again', async () => {
  const { id } = record(await usw1('/v1/sandboxes', { body: {} }))
  await usw1(`/v1/sandboxes/${id}/exec`, { body: { command: 'echo kept > note; (sleep 1000 >/dev/null 2>&1 &)' } })
  await killAndAwaitRestart('usw1.hostd')
  assert.equal(await execUntilItWorks(id, 'cat note; pgrep -c sleep'), 'kept\n1\n')
  const next = await usw1('/v1/sandboxes/run', { body: { command: 'echo new' } })
  assert.equal(output(next).stdout, 'new\n')
  for (const one of [id, record(next).id])
    assert.equal((await usw1(`/v1/sandboxes/${one}`, { method: 'DELETE' })).status, 204)
})

test('the controller is killed with -9: what it acknowledged is still there, and nothing else', async () => {
  const { id } = record(await usw1('/v1/sandboxes', { body: { name: 'survivor' } }))
  const inFlight = Array.from({ length: 4 }, () => usw1('/v1/sandboxes', { body: {} }).catch(() => null))
  await killAndAwaitRestart('usw1.controller')
  const acknowledged = (await Promise.all(inFlight)).flatMap((answer) =>
    answer?.status === 201 ? [record(answer).id] : [],
  )
  assert.equal(await execUntilItWorks(id, 'echo here'), 'here\n')
  for (const one of acknowledged) assert.equal(await execUntilItWorks(one, 'echo here'), 'here\n')
  await waitFor('rows and machines to agree', RECOVERY_MS, async () => {
    const rows = (await usw1('/v1/sandboxes')).body.data as { id: string; state: string }[]
    const running = rows.filter((row) => row.state === 'running')
    return (
      running.every((row) => runsOnce(row.id)) && running.length === rows.filter((row) => row.state !== 'error').length
    )
  })
  const rows = (await usw1('/v1/sandboxes')).body.data as { id: string }[]
  for (const row of rows) assert.equal((await usw1(`/v1/sandboxes/${row.id}`, { method: 'DELETE' })).status, 204)
})

// These come back by themselves; whoever watches the terminal should know why a request failed.
test('a database or a workerd that is killed comes back, and the terminal says so', async () => {
  const { edge: edgePid, 'usw1.controller': controller } = stack.dev().pids
  assert.ok(edgePid && controller)
  const database = await postgresPid(`${stack.stateDir}/regions/usw1/postgres`)
  const workerd = await childPid(edgePid, 'workerd')
  assert.ok(database && workerd)
  for (const pid of [database, workerd]) process.kill(pid, 'SIGKILL')
  for (const line of ['PostgreSQL of usw1 ended', 'workerd, which runs the edge, ended'])
    await waitFor(line, RECOVERY_MS, () => stack.output().includes(line))
  await waitFor('the edge and the region to serve', RECOVERY_MS, async () => {
    const listed = await edge('/v1/sandboxes').catch(() => null)
    return listed?.status === 200 && listed.headers['x-partial'] === undefined
  })
  assert.equal(stack.dev().pids['usw1.controller'], controller)
})

test('a destroyed sandbox leaves no process, no file and no room taken', async () => {
  const made = await Promise.all(Array.from({ length: 3 }, () => usw1('/v1/sandboxes', { body: {} })))
  const ids = made.map((answer) => record(answer).id)
  const names = ids.map((id) => owned().get(id) ?? '')
  for (const id of ids) assert.ok(runsOnce(id))
  await Promise.all(ids.map((id) => usw1(`/v1/sandboxes/${id}`, { method: 'DELETE' })))
  await waitFor('every trace to be gone', RECOVERY_MS, async () => {
    const places = [`${stack.stateDir}/regions/usw1/host`, stack.runDir]
    const files = places.flatMap((dir) => readdirSync(dir, { recursive: true, encoding: 'utf8' }))
    const isTraceless = names.every(
      (name) => machineProcesses(name).length === 0 && !files.some((file) => file.includes(name)),
    )
    return isTraceless && (await roomFree()) === roomWhenEmpty
  })
})

test('a machine that dies is told to its owner, and its room is given back', async () => {
  const { id } = record(await usw1('/v1/sandboxes', { body: {} }))
  const [pid, ...others] = machineProcesses(owned().get(id) ?? 'nothing')
  assert.ok(pid !== undefined && others.length === 0)
  process.kill(pid, 'SIGKILL')
  await waitFor(
    'the sandbox to be in error',
    RECOVERY_MS,
    async () => record(await usw1(`/v1/sandboxes/${id}`)).state === 'error',
  )
  const told = await usw1(`/v1/sandboxes/${id}/exec`, { body: { command: 'true' } })
  assert.equal(told.status, 409)
  assert.equal(errorCode(told), 'sandbox_not_running')
  assert.equal((await usw1(`/v1/sandboxes/${id}`, { method: 'DELETE' })).status, 204)
})

// Two regions exist for this: the one that lives serves, and a pinned caller is told the truth.
test('one region is down: an unpinned run is served by the other, a pinned one names the region', async () => {
  const { pids } = stack.dev()
  const { start, 'usw1.controller': controller } = pids
  assert.ok(start && controller)
  process.kill(start, 'SIGSTOP') // or the supervisor would start the region again at once
  process.kill(controller, 'SIGKILL')
  try {
    await waitFor('the other region to serve', RECOVERY_MS, async () => {
      const answer = await edge('/v1/sandboxes/run', { body: { command: 'echo alive' } })
      if (answer.status !== 201) return false
      assert.equal(answer.headers['x-region'], 'eu1')
      assert.equal((await edge(`/v1/sandboxes/${record(answer).id}`, { method: 'DELETE' })).status, 204)
      return true
    })
    const pinned = await edge('/v1/sandboxes', { body: {}, headers: { 'x-region': 'usw1' } })
    assert.ok([503, 504].includes(pinned.status), JSON.stringify(pinned.body))
    assert.match(JSON.stringify(pinned.body), /usw1/)
    const listed = await edge('/v1/sandboxes')
    assert.equal(listed.status, 200)
    assert.equal(listed.headers['x-partial'], 'usw1')
  } finally {
    process.kill(start, 'SIGCONT')
  }
  await waitFor('the region to be back', RECOVERY_MS, async () => {
    const answer = await edge('/v1/sandboxes', { body: {}, headers: { 'x-region': 'usw1' } }).catch(() => null)
    if (answer?.status !== 201) return false
    return (await edge(`/v1/sandboxes/${record(answer).id}`, { method: 'DELETE' })).status === 204
  })
})

test('100 lifecycles at concurrency 10 all succeed', async () => {
  const results: number[] = []
  const worker = async (): Promise<void> => {
    while (results.length < 100) {
      const at = results.push(0) - 1
      const answer = await edge('/v1/sandboxes/run', { body: { command: 'echo $((1+1))' } })
      if (answer.status !== 201 || output(answer).stdout !== '2\n') continue
      const gone = await edge(`/v1/sandboxes/${record(answer).id}`, { method: 'DELETE' })
      if (gone.status === 204) results[at] = 1
    }
  }
  await Promise.all(Array.from({ length: 10 }, worker))
  assert.equal(results.filter((one) => one === 1).length, 100)
})

test('Ctrl-C leaves no process and no socket behind, and a second start remembers: sandboxes are paused, with all they had', async () => {
  const { id } = record(await edge('/v1/sandboxes', { body: { name: 'before-the-stop' } }))
  await edge(`/v1/sandboxes/${id}/exec`, { body: { command: '(sleep 1000 & echo $! > pid)' } })
  const key = stack.dev().api_key
  const pids = Object.values(stack.dev().pids)
  assert.equal(await stack.stop(), 0)
  await waitFor('all processes to be gone', RECOVERY_MS, () => {
    const isLeft = readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && commandLine(pid).includes(stack.stateDir))
    return pids.every((pid) => !isAlive(pid)) && machineProcesses().length === 0 && !isLeft
  })
  stack = await startLocalStack({ stateDir: stack.stateDir, env: { ATOLL_POOL_SIZE: '2' } })
  connect()
  assert.equal(stack.dev().api_key, key)
  assert.equal(record(await edge('/v1/sandboxes/before-the-stop')).id, id)
  await waitFor('the sandbox to be known as paused', RECOVERY_MS, async () => {
    return record(await edge(`/v1/sandboxes/${id}`)).state === 'paused'
  })
  assert.equal((await edge(`/v1/sandboxes/${id}/resume`, { body: {} })).status, 200)
  const alive = await edge(`/v1/sandboxes/${id}/exec`, { body: { command: 'kill -0 $(cat pid) && echo alive' } })
  assert.equal(output(alive).stdout, 'alive\n')
})

// Whoever kills the supervisor for good must not have to hunt for machines and databases.
test('the supervisor is killed with -9: everything it started ends by itself', async () => {
  const { start, ...services } = stack.dev().pids
  assert.ok(start)
  process.kill(start, 'SIGKILL')
  await waitFor('all processes to be gone', RECOVERY_MS, () => {
    const isNamed = (pid: string): boolean =>
      commandLine(pid).includes(stack.stateDir) || commandLine(pid).includes(stack.runDir)
    const left = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isNamed(pid))
    return left.length === 0 && Object.values(services).every((pid) => !isAlive(pid))
  })
})

const commandLine = (pid: string): string => readIfThere(`/proc/${pid}/cmdline`)

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
