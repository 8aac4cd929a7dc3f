/** Each host by itself, so that one that hangs holds up no other, and none more often than the size of the region allows. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { collectAudit } from '../egress/collect-audit.ts'
import type { Host } from '../hosts/client.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { matchHost } from './match-host.ts'
import { matchSnapshots } from './match-snapshots.ts'
import { createPace } from './pace.ts'

/** What is to be kept up for a host for as long as it is one of the region's. */
export function createMatching(controller: Controller): (host: Host) => Repeating[] {
  const pace = createPace(controller)
  return (host) => [
    repeat(LIMITS.reconcileMs, controller.log, `reconcile.failed ${host.name}`, async () => {
      if (!(await controller.instance.lead()) || !pace.take(host.name)) return
      pace.compared(host.name, await matchHost(controller, host))
      controller.metrics.reconciled.set({ reconciler: 'machines' }, controller.clock() / 1_000)
    }),
    repeat(LIMITS.snapshotsMatchMs, controller.log, `reconcile.snapshots_failed ${host.name}`, async () => {
      if (!(await controller.instance.lead())) return
      await matchSnapshots(controller, host)
      controller.metrics.reconciled.set({ reconciler: 'snapshots' }, controller.clock() / 1_000)
    }),
    repeat(LIMITS.egressCollectMs, controller.log, `egress.not_collected ${host.name}`, async () => {
      if (!(await controller.instance.lead())) return
      await collectAudit(controller, host)
      controller.metrics.reconciled.set({ reconciler: 'egress_audit' }, controller.clock() / 1_000)
    }),
  ]
}
