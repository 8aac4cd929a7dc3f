/** The console of a sandbox's machine, read once or followed. The lines are a guest's; its host has made them harmless. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { ConsoleQuery, VmConsole } from '../../../shared/contracts/host.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { ServerEvent } from '../http/event-stream.ts'
import { hostOf, isLost } from '../sandboxes/lose-sandbox.ts'

/** Throws what the host says when it cannot. */
export async function readConsole(controller: Controller, row: SandboxRow, query: ConsoleQuery): Promise<VmConsole> {
  const answer = await hostOf(controller, row).console(row.id, query)
  if (answer.kind !== 'done') throw answer.error
  return answer.value
}

/** From the number in an id of an event of ours, the number of the line after it. */
export const lineAfter = (lastId: string | undefined): number | undefined =>
  lastId !== undefined && /^\d{1,15}$/.test(lastId) ? Number(lastId) + 1 : undefined

/** The last lines, or all that came from a number on. */
export type LogStart = { lines: number; after: number | undefined }

/**
 * The last lines, then every line as it comes, until the sandbox is gone or `until` is aborted. `ts` is when a line was read, because
 * a console has no clock. A reader that is slower than the console is told what is still kept when it comes back.
 */
export async function* followConsole(
  controller: Controller,
  row: SandboxRow,
  from: LogStart,
  until: AbortSignal,
): AsyncGenerator<ServerEvent> {
  const host = hostOf(controller, row)
  let query: ConsoleQuery = {
    lines: from.after === undefined ? from.lines : LIMITS.consoleLinesMax,
    after: from.after ?? 0,
  }
  while (!until.aborted) {
    const answer = await host.console(row.id, query)
    if (answer.kind !== 'done') {
      if (isLost(answer)) return yield { event: 'end', data: { type: 'end', sandbox_id: row.id } }
      throw answer.error
    }
    const { lines, next } = answer.value
    const ts = new Date(controller.clock()).toISOString()
    for (const [index, line] of lines.entries())
      yield { event: 'log', id: String(next - lines.length + index), data: { type: 'log', line, ts } }
    query = { lines: LIMITS.consoleLinesMax, after: next }
    await sleep(LIMITS.consolePollMs, undefined, { signal: until }).catch(() => {})
  }
  // The reader is gone, or this is what it should hear.
  if (until.reason instanceof Error) throw until.reason
}
