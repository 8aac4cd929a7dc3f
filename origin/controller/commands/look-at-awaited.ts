/** Asks the sandboxes in which processes go on by themselves which of them have ended. It wakes none, and keeps none from being idle. */
import { inArray } from 'drizzle-orm'
import { guestProcesses } from '../../../shared/contracts/guest-processes.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { sandbox } from '../database/schema/sandboxes.ts'
import { readGuestJson } from '../sandboxes/ask-guest.ts'

type Subject = { id: string; host: string; state: string }

/** Those whose turn it is, a bounded number at a time. A sandbox that does not answer is asked again later. */
export async function lookAtAwaited(controller: Controller): Promise<void> {
  const { commands, database, clock } = controller
  const due = commands.awaited.due(clock())
  if (due.length === 0) return
  const subjects = await database.db
    .select({ id: sandbox.id, host: sandbox.host, state: sandbox.state })
    .from(sandbox)
    .where(inArray(sandbox.id, due))
  const found = new Map(subjects.map((subject) => [subject.id, subject]))
  await Promise.all(due.map((id) => lookAt(controller, id, found.get(id))))
}

async function lookAt(controller: Controller, id: string, subject: Subject | undefined): Promise<void> {
  const { awaited } = controller.commands
  if (subject === undefined || subject.state === 'destroyed' || subject.state === 'error') awaited.loseAll(id)
  if (subject?.state === 'running') await hearEnds(controller, subject).catch(() => {})
  awaited.postpone(id, controller.clock())
}

async function hearEnds({ commands, hosts }: Controller, { id, host }: Subject): Promise<void> {
  const asked = [...(commands.awaited.sandboxes.get(id)?.told.keys() ?? [])]
  const limit = AbortSignal.timeout(LIMITS.hostRequestMs)
  const answer = await hosts.get(host)?.guest(id, { method: 'GET', path: 'processes' }, limit)
  if (answer?.kind !== 'answered') return
  const { processes } = await readGuestJson(answer, guestProcesses)
  const held = new Map(processes.map((process) => [process.id, process]))
  for (const pid of asked) {
    const process = held.get(pid)
    // The agent has forgotten it, or was brought back to a time before it.
    if (process === undefined) commands.awaited.lose(id, pid)
    else if (process.end !== null) commands.awaited.end(id, pid, process.end)
  }
}
