/** One question about the processes of a sandbox to the agent that holds them. */
import {
  type GuestProcessStart,
  guestProcess,
  guestProcesses,
  isProcessId,
} from '../../../shared/contracts/guest-processes.ts'
import type { ProcessRecord } from '../../../shared/contracts/processes.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { GuestRequest } from '../hosts/guest-calls.ts'
import { askGuest, type FoundAsking, type GuestAsking, readGuestJson } from '../sandboxes/ask-guest.ts'
import { toProcessRecord } from './process-record.ts'

export const JSON_TYPE = { 'content-type': 'application/json' }

export async function startProcess(
  controller: Controller,
  asking: FoundAsking,
  start: GuestProcessStart,
): Promise<ProcessRecord> {
  const request = { method: 'POST', path: 'processes', headers: JSON_TYPE, body: JSON.stringify(start) } as const
  const answered = await askGuest(controller, asking, request)
  const started = await readGuestJson(answered, guestProcess)
  // The text as it was asked for: what the agent says of it is a stranger's.
  const { awaited } = controller.commands
  awaited.add(answered.row.id, started.id, start.shown, controller.clock())
  if (started.end !== null) awaited.end(answered.row.id, started.id, started.end)
  return toProcessRecord(started)
}

export async function listProcesses(controller: Controller, asking: GuestAsking): Promise<ProcessRecord[]> {
  const answered = await askGuest(controller, asking, { method: 'GET', path: 'processes' })
  return (await readGuestJson(answered, guestProcesses)).processes.map(toProcessRecord)
}

export async function readProcess(controller: Controller, asking: GuestAsking, pid: string): Promise<ProcessRecord> {
  const answered = await askGuest(controller, asking, { method: 'GET', path: pathOf(pid) })
  return toProcessRecord(await readGuestJson(answered, guestProcess))
}

/** Of what the agent answers, only that it did not refuse is of interest. */
export async function tellProcess(controller: Controller, asking: GuestAsking, request: GuestRequest): Promise<void> {
  const { body } = await askGuest(controller, asking, request)
  // One that does not end must not keep its connection.
  const timer = setTimeout(() => body.destroy(), LIMITS.hostRequestMs)
  body.on('error', () => {}).once('close', () => clearTimeout(timer))
  body.resume()
}

/** Of one process, among the agent's routes. Throws process_not_found for what cannot be one. */
export function pathOf(pid: string): string {
  if (isProcessId(pid)) return `processes/${pid}`
  throw new AppError('process_not_found', 'There is no such process, or none any more.')
}
