/** The typed client of a host's daemon, made from the route contract. Every call ends within its deadline and says how. */
import { Pool } from 'undici'
import type * as z from 'zod'
import {
  type ConsoleQuery,
  type CreateVmBody,
  HOST_ROUTES,
  type HostCapacity,
  type HostExec,
  type VmConsole,
  type VmDeadlines,
  type VmInventory,
  type VmRecord,
  type VmStats,
} from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { HostAddress } from './address.ts'
import { connectPinned } from './connect-pinned.ts'
import { type EgressCalls, egressCalls } from './egress-calls.ts'
import { type GuestCalls, guestCalls } from './guest-calls.ts'
import { openTunnel, type Tunnel } from './open-tunnel.ts'
import { type Answer, busy, required, type Trouble, troubleOfThrown } from './outcome.ts'
import { readJson } from './read-json.ts'
import { readRefusal } from './read-refusal.ts'
import { requestHost } from './request-host.ts'
import { type Run, type RunWatch, readRun } from './run-stream.ts'
import { type SnapshotCalls, snapshotCalls } from './snapshot-calls.ts'

export type Host = SnapshotCalls &
  GuestCalls &
  EgressCalls & {
    name: string
    /** Named by the configuration of this controller; any other one has joined. */
    isConfigured: boolean
    /** Claims a machine, and runs the first command when there is one. */
    start(body: CreateVmBody, watch: RunWatch): Promise<Run | Trouble>
    /** When `caller` is aborted the call is broken off, at which the host ends the command. */
    exec(id: string, exec: HostExec, caller: AbortSignal, watch?: RunWatch): Promise<Run | Trouble>
    /** A connection to one of its ports; aborting `caller` breaks it off. */
    tunnel(id: string, port: number, caller: AbortSignal): Promise<Tunnel | Trouble>
    pause(id: string): Promise<Answer<VmRecord>>
    resume(id: string, deadlines: VmDeadlines): Promise<Answer<VmRecord>>
    setDeadlines(id: string, deadlines: VmDeadlines): Promise<Answer<VmRecord>>
    destroy(id: string): Promise<Answer<null>>
    stats(id: string): Promise<Answer<VmStats>>
    console(id: string, query: ConsoleQuery): Promise<Answer<VmConsole>>
    inventory(): Promise<Answer<VmInventory>>
    capacity(): Promise<Answer<HostCapacity>>
    close(): Promise<void>
  }

export function connectHost(address: HostAddress): Host {
  // Commands last as long as they like. On connections of their own they hold up no pause, no destroy and no look at the host.
  const calls = openPool(address, LIMITS.hostConnectionsMax)
  const commands = openPool(address, LIMITS.hostCommandsMax)
  const passing = openPool(address, LIMITS.hostCommandsMax)
  const contentOf = contentFor(address)
  let commandsNow = 0

  async function call<T>(
    route: { method: string; path: string; answer?: z.ZodType<T> },
    id: string,
    body?: unknown,
    { pool = calls, ms = LIMITS.hostRequestMs }: { pool?: Pool; ms?: number } = {},
  ): Promise<Answer<T | null>> {
    try {
      const response = await requestHost(pool, {
        method: route.method,
        path: route.path.replace(':id', id),
        ...contentOf(body),
        signal: AbortSignal.timeout(ms),
      })
      if (response.statusCode >= 300) return await readRefusal(response)
      if (route.answer === undefined) {
        await response.body.dump()
        return { kind: 'done', value: null }
      }
      return { kind: 'done', value: route.answer.parse(await readJson(response.body)) }
    } catch (thrown) {
      return troubleOfThrown(thrown)
    }
  }

  async function stream(
    path: string,
    body: unknown,
    budget: RunBudget,
    { caller, ...watch }: RunWatch & { caller?: AbortSignal },
  ): Promise<Run | Trouble> {
    // In a queue its deadline would pass, and a command that never left would count as one that may have run.
    if (commandsNow >= LIMITS.hostCommandsMax) return busy(address.name)
    commandsNow += 1
    const deadline = new AbortController()
    const arm = (ms: number) => setTimeout(() => deadline.abort(new Error(`No end within ${ms} ms.`)), ms)
    let timer = arm(budget.readyMs + budget.commandMs)
    const signal = caller === undefined ? deadline.signal : AbortSignal.any([deadline.signal, caller])
    try {
      const response = await commands.request({ method: 'POST', path, ...contentOf(body), signal })
      if (response.statusCode >= 300) return await readRefusal(response)
      return await readRun(response.body, {
        ...watch,
        onReady: (ready) => {
          clearTimeout(timer)
          timer = arm(budget.commandMs)
          watch.onReady?.(ready)
        },
      })
    } catch (thrown) {
      return troubleOfThrown(thrown)
    } finally {
      clearTimeout(timer)
      commandsNow -= 1
    }
  }

  const path = (route: { path: string }, id: string): string => route.path.replace(':id', id)
  const copy: typeof call = (route, id, body) => call(route, id, body, { pool: commands, ms: LIMITS.hostCopyMs })
  return {
    ...snapshotCalls(call, copy),
    ...egressCalls(call),
    ...guestCalls(address, passing),
    name: address.name,
    isConfigured: address.kind === 'socket',
    start: (body, watch) => stream(HOST_ROUTES.create.path, body, budgetOf(LIMITS.bootTimeoutMs, body.exec), watch),
    exec: (id, exec, caller, watch) =>
      stream(path(HOST_ROUTES.exec, id), exec, budgetOf(0, exec), { ...watch, caller }),
    tunnel: (id, port, caller) => openTunnel(address, id, port, caller),
    pause: (id) => required(call(HOST_ROUTES.pause, id)),
    // What stands by on disk is brought back with all of its memory.
    resume: (id, deadlines) => required(copy(HOST_ROUTES.resume, id, deadlines)),
    setDeadlines: (id, deadlines) => required(call(HOST_ROUTES.deadlines, id, deadlines)),
    destroy: (id) => call(HOST_ROUTES.destroy, id),
    stats: (id) => required(call(HOST_ROUTES.stats, id)),
    console: (id, { lines, after }) =>
      required(call({ ...HOST_ROUTES.console, path: `${HOST_ROUTES.console.path}?lines=${lines}&after=${after}` }, id)),
    inventory: () => required(call(HOST_ROUTES.list, '')),
    capacity: () => required(call(HOST_ROUTES.capacity, '')),
    close: async () => {
      await Promise.all([calls, commands, passing].map((pool) => pool.destroy()))
    },
  }
}

/** Deadlines are ours, by signal, because a command may be silent for longer than any default. */
function openPool(address: HostAddress, connections: number): Pool {
  const options = { connections, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 }
  if (address.kind === 'network') return new Pool(address.url, { ...options, connect: connectPinned(address) })
  const { socketPath } = address
  return new Pool('http://host', { ...options, socketPath, connect: { timeout: LIMITS.hostRequestMs } })
}

type RunBudget = { readyMs: number; commandMs: number }

/** The host ends a command by itself; the controller waits a little longer than that, for the answer. */
const budgetOf = (readyMs: number, exec: HostExec | undefined): RunBudget => ({
  readyMs,
  commandMs: (exec?.timeout_ms ?? 0) + LIMITS.execDrainMs + LIMITS.hostRequestMs,
})

/** The headers and the body of a request. Whoever may open the socket of a host needs no secret. */
function contentFor(address: HostAddress) {
  const credential = address.kind === 'network' ? { authorization: `Bearer ${address.secret}` } : {}
  return (body: unknown) =>
    body === undefined
      ? { headers: credential }
      : { headers: { ...credential, 'content-type': 'application/json' }, body: JSON.stringify(body) }
}
