/**
 * A host that speaks the real contract on a real unix socket and can be told to refuse, to die, to hang and to be slow.
 * It keeps its machines in memory and remembers every command it was ever told to run.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CreateVmBody,
  consoleQuery,
  createVmBody,
  FRAMES_TYPE,
  GUEST_ANSWER_HEADER,
  type HostExec,
  hostExec,
  type VmRecord,
  vmDeadlines,
} from '../../../../shared/contracts/host.ts'
import { AppError, errorBody, errorHeaders } from '../../../../shared/errors.ts'
import { encodeFrame, encodeJsonFrame, FRAME } from '../../../../shared/frames.ts'
import { SIZES } from '../../../../shared/machines.ts'
import { beginEgress, newDoor, setEgress, tellEgress } from './host-double-egress.ts'
import { beginningOf, changeState, type Keeping, type Verb } from './host-double-snapshots.ts'

/** What the next create does instead of succeeding. */
export type Mishap =
  | { kind: 'refuse'; error: AppError }
  | { kind: 'fail'; error: AppError }
  | { kind: 'die_before_ready' }
  | { kind: 'die_after_ready' }
  | { kind: 'cut_frame' }
  | { kind: 'nonsense' }
  | { kind: 'hang'; until: Promise<void> }
  /** The machine is there, and nothing is said of it. */
  | { kind: 'silent'; until: Promise<void> }

export type Agent = (request: IncomingMessage, response: ServerResponse, id: string) => void

export type HostDouble = Keeping & {
  name: string
  socketPath: string
  lost: { id: string; reason: string; cause?: 'died' | 'expired'; at_ms: number }[]
  /** `id: argv` of every command that was started. */
  commands: string[]
  /** The same of every command whose call was broken off before it ended; a host ends it then. */
  brokenOff: string[]
  destroys: string[]
  /** With which environment each machine was made. */
  envs: Map<string, Record<string, string>>
  mishaps: Mishap[]
  /** While set, requests are held until it is resolved. */
  slowMs: number
  /** Held requests to come, by their verb. */
  holds: Map<string, { arrive(): void; released: Promise<void> }>
  /** Holds the next request with this verb until it is let go; `arrived` resolves when it is there. */
  hold(verb: string): { arrived: Promise<void>; release(): void }
  bootPath: VmRecord['boot_path']
  /** How long a start takes as far as the end of the sandbox goes. */
  startMs: number
  memoryMib: number
  /** Of one machine, at most. */
  vmMemoryMibMax: number
  accepting: boolean
  /** What the consoles of all its machines said. */
  console: string[]
  /** What listens in every machine: a port there, and the port of this one's loopback that stands in for it. */
  servers: Map<number, number>
  /** Stands in for the agent in every machine: what it is asked has the agent's own path, such as `/v1/files?path=/a`. */
  agent: Agent | null
  /** The connections to them that are open; ending one is what a machine does that dies. */
  tunnels: Set<Socket>
  /** Closes the socket as a killed host does; its machines live on. */
  away(): Promise<void>
  back(): Promise<void>
  close(): Promise<void>
}

export async function startHostDouble(name: string): Promise<HostDouble> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-host-'))
  const host: HostDouble = {
    name,
    socketPath: join(directory, 'hostd.sock'),
    ...newDoor(),
    ...newDoor(),
    vms: new Map(),
    snapshots: new Map(),
    memories: new Map(),
    replacements: new Map(),
    upsets: { snapshots: [], restore: [], fork: [], merge: [], forget: [] },
    asked: [],
    lost: [],
    commands: [],
    brokenOff: [],
    destroys: [],
    envs: new Map(),
    mishaps: [],
    slowMs: 0,
    holds: new Map(),
    hold(verb) {
      const [arrival, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      host.holds.set(verb, { arrive: arrival.resolve, released: released.promise })
      return { arrived: arrival.promise, release: released.resolve }
    },
    bootPath: 'warm',
    startMs: 0,
    memoryMib: 4_000_000,
    vmMemoryMibMax: 4_000_000,
    accepting: true,
    console: [],
    servers: new Map(),
    agent: null,
    tunnels: new Set(),
    away: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    back: () =>
      new Promise((resolve) => {
        server = createServer(handle)
        server.listen(host.socketPath, resolve)
      }),
    async close() {
      if (server.listening) await host.away()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    answer(host, request, response).catch((err: unknown) => {
      const error = err instanceof AppError ? err : new AppError('internal', String(err))
      if (response.headersSent) return void response.destroy()
      response.writeHead(error.status, { 'content-type': 'application/json', ...errorHeaders(error) })
      response.end(JSON.stringify(errorBody(error, 'double')))
    })
  }
  let server = createServer(handle)
  await host.back()
  return host
}

/** As hostd does it, with a server of this machine in place of one in the sandbox. */
async function tunnel(
  host: HostDouble,
  port: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const real = host.servers.get(port)
  if (real === undefined) throw new AppError('port_closed', `Nothing in the sandbox listens on port ${port}.`)
  const socket = connect(real, '127.0.0.1')
  await once(socket, 'connect')
  host.tunnels.add(socket)
  response.writeHead(200).flushHeaders()
  request.on('error', () => socket.destroy()).pipe(socket)
  socket.pipe(response, { end: false })
  socket.on('error', () => {})
  socket.once('end', () => response.end())
  socket.once('close', () => !response.writableEnded && response.destroy())
  response.once('close', () => {
    host.tunnels.delete(socket)
    socket.destroy()
  })
}

/** The answer is marked as the agent's own, as hostd marks it. */
function askAgent({ agent }: HostDouble, id: string, request: IncomingMessage, response: ServerResponse): void {
  if (agent === null) throw new AppError('guest_unreachable', 'There is no agent in this machine.')
  request.url = (request.url ?? '').replace(`/v1/vms/${id}/guest/`, '/v1/')
  response.setHeader(GUEST_ANSWER_HEADER, '1')
  agent(request, response, id)
}

function requireRunning(host: HostDouble, id: string): void {
  const state = host.vms.get(id)?.state
  if (state === undefined) throw new AppError('sandbox_not_found', 'No such machine.')
  if (state !== 'running') throw new AppError('sandbox_not_running', `It is ${state}.`)
}

async function answer(host: HostDouble, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const [, , resource, id, verb, port] = (request.url ?? '').split('/')
  if (verb === 'ports' || verb === 'guest') {
    requireRunning(host, id ?? '')
    return verb === 'ports'
      ? tunnel(host, Number(port), request, response)
      : askAgent(host, id ?? '', request, response)
  }
  const body = await bodyOf(request)
  if (host.slowMs > 0) await sleep(host.slowMs)
  const held = host.holds.get(verb ?? '')
  host.holds.delete(verb ?? '')
  held?.arrive()
  await held?.released
  const json = (value: unknown): void => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(value))
  }
  if (resource === 'capacity') return json(capacityOf(host))
  if (resource === 'egress') return json(tellEgress(host, request))
  if (verb === 'egress') return json(setEgress(host, id ?? '', body))
  const isChange = VERBS.has(verb ?? '') || (resource === 'snapshots' && request.method === 'DELETE')
  if (isChange) {
    const done = await changeState(host, resource === 'snapshots' ? 'forget' : (verb as Verb), id ?? '', body)
    if (done === undefined) return void response.destroy()
    return resource === 'snapshots' ? void response.writeHead(204).end() : json(done)
  }
  if (resource === 'snapshots') return json({ snapshots: [...host.snapshots.values()] })
  if (id === undefined && request.method === 'GET') return json({ vms: [...host.vms.values()], lost: host.lost })
  if (id === undefined) return create(host, createVmBody.parse(body), response)
  if (request.method === 'DELETE') {
    host.destroys.push(id)
    host.vms.delete(id)
    host.lost = host.lost.filter((loss) => loss.id !== id)
    response.writeHead(204).end()
    return
  }
  const vm = host.vms.get(id)
  if (vm === undefined) throw new AppError('sandbox_not_found', 'No such machine.')
  switch (verb?.split('?')[0]) {
    case 'stats':
      return json(statsOf(vm))
    case 'console': {
      const query = consoleQuery.parse(Object.fromEntries(new URL(request.url ?? '', 'http://host').searchParams))
      return json({ lines: host.console.slice(query.after).slice(-query.lines), next: host.console.length })
    }
    case 'pause':
      vm.state = 'paused'
      return json(vm)
    case 'deadlines':
      Object.assign(vm, vmDeadlines.parse(body))
      return json(vm)
    case 'resume':
      Object.assign(vm, vmDeadlines.parse(body), { state: 'running' })
      return json(vm)
    case 'exec': {
      if (vm.state !== 'running') throw new AppError('sandbox_not_running', `It is ${vm.state}.`)
      response.writeHead(200, { 'content-type': FRAMES_TYPE })
      await run(host, id, hostExec.parse(body), response)
      response.end()
    }
  }
}

const VERBS: ReadonlySet<string> = new Set(['snapshots', 'restore', 'fork', 'merge'] satisfies Verb[])

async function create(host: HostDouble, { vm, exec }: CreateVmBody, response: ServerResponse): Promise<void> {
  const mishap = host.mishaps.shift()
  if (mishap?.kind === 'refuse') throw mishap.error
  if (host.vms.has(vm.id) && exec !== undefined) throw new AppError('state_conflict', 'It exists.')
  const memory = beginningOf(host, vm)
  response.writeHead(200, { 'content-type': FRAMES_TYPE })
  if (host.bootPath !== 'warm') response.write(encodeFrame(FRAME.provisioning, new Uint8Array(0)))
  if (mishap?.kind === 'hang') {
    response.flushHeaders()
    await mishap.until
  }
  if (mishap?.kind === 'fail')
    return void response.end(encodeJsonFrame(FRAME.error, { code: mishap.error.code, message: mishap.error.message }))
  if (mishap?.kind === 'nonsense') return void response.end(new Uint8Array(64).fill(255))

  const { hostname: _, env, snapshot_id: __, egress: ___, ...spec } = vm
  const now = Date.now()
  if (spec.expires_at_ms !== null) spec.expires_at_ms += host.startMs
  host.memories.set(vm.id, memory)
  host.envs.set(vm.id, env)
  const made: VmRecord = {
    ...spec,
    state: 'running',
    boot_path: host.bootPath,
    boot_ms: 7,
    started_at_ms: now,
    active_at_ms: now,
  }
  host.vms.set(vm.id, made)
  beginEgress(host, made, vm)
  if (mishap?.kind === 'silent') {
    response.flushHeaders()
    await mishap.until
  }
  if (mishap?.kind === 'die_before_ready') {
    if (exec !== undefined) host.commands.push(`${vm.id}: ${exec.argv.join(' ')}`)
    return void response.destroy()
  }
  response.write(
    encodeJsonFrame(FRAME.ready, {
      boot_path: host.bootPath,
      boot_ms: 7.4,
      expires_at_ms: spec.expires_at_ms,
      phases: { cont: 1 },
    }),
  )
  if (mishap?.kind === 'die_after_ready') {
    if (exec !== undefined) host.commands.push(`${vm.id}: ${exec.argv.join(' ')}`)
    await sleep(20)
    return void response.destroy()
  }
  if (exec !== undefined) await run(host, vm.id, exec, response)
  if (mishap?.kind === 'cut_frame') response.write(new Uint8Array([FRAME.stdout, 0, 0, 0, 9, 1]))
  response.end()
}

const LOOK_EVERY_MS = 50

/** Sleeps, unless it is broken off, and says why if the sandbox is stopped meanwhile, as a host does. */
async function sleepIn(
  host: HostDouble,
  id: string,
  ms: number,
  response: ServerResponse,
): Promise<AppError | undefined> {
  const before = host.replacements.get(id)
  for (const end = Date.now() + ms; Date.now() < end; await sleep(Math.min(LOOK_EVERY_MS, ms))) {
    if (response.destroyed) return undefined
    if (host.replacements.get(id) !== before) return new AppError('sandbox_replaced', 'It goes on from elsewhere.')
    if (host.vms.get(id)?.state === 'paused') return new AppError('sandbox_paused', 'It was paused.')
    if (host.lost.some((loss) => loss.id === id && loss.cause === 'expired'))
      return new AppError('sandbox_expired', 'Its time was over.')
  }
  return undefined
}

/** Enough of a shell for the tests: `echo`, `repeat` (so often, what), `sleep`, `remember`, `recall` and `exit`, the rest prints itself. */
async function run(host: HostDouble, id: string, exec: HostExec, response: ServerResponse): Promise<void> {
  const line = exec.argv.at(-1) ?? ''
  const command = `${id}: ${exec.argv.join(' ')}`
  host.commands.push(command)
  response.once('close', () => {
    if (!response.writableEnded) host.brokenOff.push(command)
  })
  response.write(encodeJsonFrame(FRAME.started, { pid: 2 }))
  const code = /^exit (\d+)$/.exec(line)?.[1]
  const stopped = line.startsWith('sleep ')
    ? await sleepIn(host, id, Number(line.slice(6)) * 1_000, response)
    : undefined
  if (stopped !== undefined) {
    response.write(encodeJsonFrame(FRAME.error, { code: stopped.code, message: stopped.message }))
    return
  }
  const [, times, what] = /^repeat (\d+) (.+)$/.exec(line) ?? []
  for (let n = 1; n < Number(times ?? 0); n++) response.write(encodeFrame(FRAME.stdout, new TextEncoder().encode(what)))
  const memory = host.memories.get(id) ?? []
  if (line.startsWith('remember ')) memory.push(line.slice(9))
  if (line === 'recall') response.write(encodeFrame(FRAME.stdout, new TextEncoder().encode(memory.join(' '))))
  const words =
    line === 'recall' ? '' : line.startsWith('echo ') ? `${line.slice(5)}\n` : code === undefined ? line : ''
  response.write(encodeFrame(FRAME.stdout, new TextEncoder().encode(words.slice(0, 60_000))))
  response.write(
    encodeJsonFrame(FRAME.exited, {
      exit_code: Number(code ?? 0),
      reason: 'exit',
      duration_ms: 3,
      stdout_truncated: false,
      stderr_truncated: false,
    }),
  )
}

/** Half of one CPU is busy. */
const statsOf = (vm: VmRecord, nowMs: number = Date.now()) => ({
  id: vm.id,
  state: vm.state,
  at_ms: nowMs,
  cpu_ms: (nowMs - vm.started_at_ms) / 2,
  resident_bytes: 212 * 1_048_576,
  private_bytes: 40 * 1_048_576,
  disk_bytes: 7 * 1_048_576,
  commands_running: 0,
})

const capacityOf = (host: HostDouble) => ({
  accel: 'tcg',
  accepting: host.accepting,
  draining: false,
  templates: ['default', 'python-datasci'],
  vcpus: 2,
  memory_mib: host.memoryMib,
  vm_memory_mib_max: host.vmMemoryMibMax,
  disk_mib: 1_000_000_000_000,
  vms_max: 100_000,
  running: [...host.vms.values()].filter(({ state }) => state === 'running').length,
  paused: [...host.vms.values()].filter(({ state }) => state === 'paused').length,
  free: Object.fromEntries(Object.keys(SIZES).map((size) => [size, 100])),
  pool: { 'default@small': 2 },
  memory_available_mib: 4_000,
  disk_available_mib: 40_000,
})

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text === '' ? undefined : JSON.parse(text)
}
