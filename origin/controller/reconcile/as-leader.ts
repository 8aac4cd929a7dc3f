/** Work of which a region needs one: done by the controller that leads, over and over, and seen by the metrics when it came to its end. */
import type { Controller } from '../controller.ts'
import { type Repeating, repeat } from '../repeat.ts'

export const repeatAsLeader = (
  controller: Controller,
  reconciler: string,
  everyMs: number,
  work: () => Promise<unknown>,
): Repeating =>
  repeat(everyMs, controller.log, `reconcile.${reconciler}_failed`, async () => {
    if (!(await controller.instance.lead())) return
    await work()
    controller.metrics.reconciled.set({ reconciler }, controller.clock() / 1_000)
  })
