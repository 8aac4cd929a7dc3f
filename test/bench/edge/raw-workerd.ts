/**
 * Workers in bare workerd, without Miniflare's own Worker before them: what is measured is the Worker's cost and no tool's.
 * KV is a Worker that answers from memory, and the counter of requests one that counts in the isolate, as Cloudflare's does.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { bundleEdge } from '../../../infra/edge/bundle-edge.ts'
import { workerdProgram } from '../../../infra/edge/workerd-program.ts'

/** What KV holds, by key; the names of the namespaces do not matter, as no two of them hold the same key. */
export type KvRecords = Record<string, unknown>
export type RawWorker = { url: string; pid: number; stop(): Promise<void> }

/** The Worker as it is deployed. */
export const EDGE_ENTRY = fileURLToPath(new URL('../../../edge/main.ts', import.meta.url))
const COMPATIBLE_SINCE = '2026-10-23'
const NAMESPACES = ['CONFIG', 'KEYS', 'CAPACITY']
const COUNTERS = ['RATE_FREE', 'RATE_PRO', 'RATE_SCALE']

const KV = `export default { fetch(request, { records }) {
  const value = records[decodeURIComponent(new URL(request.url).pathname.slice(1))]
  return value === undefined ? new Response(null, { status: 404 }) : new Response(JSON.stringify(value))
} }`

const COUNTER = `export default () => {
  const counts = new Map()
  return { async limit({ key }) {
    counts.set(key, (counts.get(key) ?? 0) + 1)
    return { success: counts.get(key) < 1e9 }
  } }
}`

/** The edge as it is deployed. */
export async function startRawEdge(secrets: Record<string, string>, records: KvRecords): Promise<RawWorker> {
  const vars = { ...secrets, TRUSTED_PROXY: 'false' }
  return serve({
    'edge.js': await bundleEdge(EDGE_ENTRY),
    'kv.js': KV,
    'counter.js': COUNTER,
    'config.capnp': `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [ (name = "main", worker = .edge), (name = "kv", worker = .kv), ${ANYWHERE} ],
  sockets = [ ${SOCKET} ],
  extensions = [ (modules = [ (name = "bench:counter", internal = true, esModule = embed "counter.js") ]) ],
);
const kv :Workerd.Worker = (
  modules = [ (name = "kv.js", esModule = embed "kv.js") ], compatibilityDate = "${COMPATIBLE_SINCE}",
  bindings = [ (name = "records", json = ${JSON.stringify(JSON.stringify(records))}) ],
);
const edge :Workerd.Worker = (
  modules = [ (name = "edge.js", esModule = embed "edge.js") ], compatibilityDate = "${COMPATIBLE_SINCE}",
  globalOutbound = "anywhere",
  durableObjectNamespaces = [ (className = "TenantQuota", uniqueKey = "bench", enableSql = true) ],
  durableObjectStorage = (inMemory = void),
  bindings = [
    (name = "TENANT_QUOTA", durableObjectNamespace = "TenantQuota"),
    ${NAMESPACES.map((name) => `(name = "${name}", kvNamespace = "kv")`)},
    ${COUNTERS.map((name) => `(name = "${name}", wrapped = (moduleName = "bench:counter"))`)},
    ${Object.entries(vars).map(([name, value]) => `(name = "${name}", text = ${JSON.stringify(value)})`)},
  ],
);`,
  })
}

/** A Worker that hands every request on to one origin and does nothing else. */
export function startRawPass(origin: string): Promise<RawWorker> {
  const pass = `export default { fetch(request) {
    const { pathname, search } = new URL(request.url)
    return fetch(${JSON.stringify(origin)} + pathname + search, request)
  } }`
  return serve({
    'pass.js': pass,
    'config.capnp': `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [ (name = "main", worker = .pass), ${ANYWHERE} ], sockets = [ ${SOCKET} ]);
const pass :Workerd.Worker = (
  modules = [ (name = "pass.js", esModule = embed "pass.js") ], compatibilityDate = "${COMPATIBLE_SINCE}", globalOutbound = "anywhere",
);`,
  })
}

const ANYWHERE = '(name = "anywhere", network = (allow = ["public", "private"]))'
const SOCKET = '(name = "http", address = "127.0.0.1:0", http = (cfBlobHeader = "mf-cf-blob"), service = "main")'

type Files = Record<string, string>

async function serve(files: Files): Promise<RawWorker> {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-workerd-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text, { mode: 0o600 })
  const child = spawn(workerdProgram(), ['serve', '--control-fd=3', 'config.capnp'], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  })
  const ended = once(child, 'exit')
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL')
    await ended
    await rm(folder, { recursive: true, force: true })
  }
  try {
    return { url: `http://127.0.0.1:${await portOf(child)}`, pid: child.pid ?? 0, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** It says on that descriptor, as JSON, what it listens at. Throws when it ends instead. */
async function portOf({ stdio: [, , , said] }: ChildProcess): Promise<number> {
  if (!(said instanceof Readable)) throw new Error('The descriptor for what workerd says is no pipe.')
  let text = ''
  for await (const chunk of said) {
    text += String(chunk)
    const port = /"port":\s*(\d+)/.exec(text)?.[1]
    if (port !== undefined) return Number(port)
  }
  throw new Error('workerd ended before it listened.')
}
