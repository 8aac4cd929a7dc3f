/** The edge as `npm start` runs it: it leaves nothing behind, remembers what it should, and says what is wrong. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { startLocalEdge } from '../../../infra/edge/local-edge.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { until } from '../../harness/until.ts'
import { aKeyRecord, freshKey, hashOf, registryOf, SECRETS } from './stage/edge-stage.ts'
import { startFakeRegion } from './stage/fake-region.ts'

const LOCAL_EDGE = fileURLToPath(new URL('../../../infra/edge/local-edge.ts', import.meta.url))
const ALONE = { host: '127.0.0.1', port: 0, secrets: SECRETS }

test('workerd ends with the process that started it, even by kill -9', async (t) => {
  const program = `
    const { startLocalEdge } = await import(${JSON.stringify(LOCAL_EDGE)})
    const edge = await startLocalEdge(${JSON.stringify(ALONE)})
    console.log(String(edge.url))
    setInterval(() => undefined, 1_000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const [url] = await once(createInterface(child.stdout), 'line')
  assert.equal((await fetch(new URL('/healthz', url))).status, 200)
  const runtimes = await runtimesOf(child.pid ?? 0)
  assert.ok(runtimes.length > 0)
  child.kill('SIGKILL')
  await once(child, 'exit')
  for (const pid of runtimes) await until(`process ${pid} to end`, async () => !(await isRunning(pid)))
})

test('what KV holds survives a restart, and nothing needs to be given again', async (t) => {
  const persistDir = await mkdtemp(join(tmpdir(), 'atoll-edge-'))
  t.after(() => rm(persistDir, { recursive: true, force: true }))
  const [usw1, eu1] = [await startFakeRegion('usw1'), await startFakeRegion('eu1')]
  t.after(() => Promise.all([usw1.stop(), eu1.stop()]))
  const key = freshKey()
  const keys = { [hashOf(key)]: aKeyRecord() }
  const registry = registryOf(usw1, eu1)
  const first = await startLocalEdge({ ...ALONE, persistDir, registry, tiers: DEFAULT_TIERS, keys })
  await first.stop()
  const second = await startLocalEdge({ ...ALONE, persistDir })
  t.after(() => second.stop())
  const headers = { authorization: `Bearer ${key}` }
  const answer = await fetch(new URL('/v1/sandboxes/run', second.url), { method: 'POST', headers, body: '{}' })
  assert.equal(answer.status, 200)
})

test('capacity is read by the clock of its own, and the clock stops with the edge', async (t) => {
  const [usw1, eu1] = [await startFakeRegion('usw1'), await startFakeRegion('eu1')]
  t.after(() => Promise.all([usw1.stop(), eu1.stop()]))
  const edge = await startLocalEdge({ ...ALONE, registry: registryOf(usw1, eu1), tiers: DEFAULT_TIERS, cronMs: 200 })
  await until('two polls', () => usw1.received.length >= 2)
  await edge.stop()
  const polls = usw1.received.length
  assert.ok(usw1.received.every(({ url }) => url === '/v1/capacity'))
  await sleep(500)
  assert.equal(usw1.received.length, polls)
})

test('a port that is taken is an error that says so, and leaves nothing running', async (t) => {
  const squatter = createServer()
  t.after(() => squatter.close())
  await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve))
  const { port } = squatter.address() as AddressInfo
  await assert.rejects(startLocalEdge({ ...ALONE, port }), /in use/)
  assert.deepEqual(await runtimesOf(process.pid), [])
})

/** The workerd processes that this process started. */
async function runtimesOf(parent: number): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  const parents = await Promise.all(pids.map(async (pid) => ({ pid, parent: (await statOf(pid))?.parent })))
  const children = parents.filter((one) => one.parent === parent).map(({ pid }) => pid)
  const names = await Promise.all(children.map((pid) => readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '')))
  return children.filter((_pid, index) => names[index]?.startsWith('workerd'))
}

const isRunning = async (pid: number): Promise<boolean> => {
  const stat = await statOf(pid)
  return stat !== null && stat.state !== 'Z'
}

async function statOf(pid: number): Promise<{ state: string; parent: number } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (text === null) return null
  const [state = '', parent = ''] = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state, parent: Number(parent) }
}
