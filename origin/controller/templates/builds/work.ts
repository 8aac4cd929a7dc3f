/** A build that this controller works on: its row as it was last written, and what ends the work. */
import type { BuildStepRecord } from '../../../../shared/contracts/templates.ts'
import type { Controller } from '../../controller.ts'
import type { BuildRow } from '../../database/schema/templates.ts'
import type { BuildEvent } from './build-life.ts'
import type { BuildLog } from './build-log.ts'
import { moveBuild, noteBuild } from './move-build.ts'
import { Overtaken } from './trouble.ts'

type Facts = Parameters<typeof noteBuild>[2]

export type Work = {
  controller: Controller
  log: BuildLog
  /** Aborted, with one of the reasons of `trouble.ts`, when the work has to end. */
  signal: AbortSignal
  readonly row: BuildRow
  /** Throws Overtaken when the row is not ours to write any more. What was said before is written first. */
  move(event: BuildEvent, facts?: Facts): Promise<void>
  note(facts: Facts): Promise<void>
  /** The record of one step, by its place. */
  noteStep(index: number, facts: Partial<BuildStepRecord>): Promise<void>
}

export function createWork(controller: Controller, claimed: BuildRow, log: BuildLog, signal: AbortSignal): Work {
  const { db } = controller.database
  let row = claimed
  const take = (written: BuildRow | undefined): void => {
    if (written === undefined) throw new Overtaken('The build was moved by somebody else.')
    row = written
  }
  const note = async (facts: Facts): Promise<void> => {
    await log.flush()
    take(await noteBuild(db, row, facts))
  }
  return {
    controller,
    log,
    signal,
    get row() {
      return row
    },
    async move(event, facts = {}) {
      await log.flush()
      take(await moveBuild(db, row, event, facts))
    },
    note,
    noteStep: (index, facts) =>
      note({ steps: row.steps.map((step) => (step.index === index ? { ...step, ...facts } : step)) }),
  }
}
