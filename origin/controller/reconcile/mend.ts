/** Carries out one mend. Each is guarded by the row's revision and safe to repeat: what came in between wins. */
import type { VmRecord } from '../../../shared/contracts/host.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import { settleEgress } from '../egress/settle-egress.ts'
import type { Host } from '../hosts/client.ts'
import { clearHost } from '../sandboxes/clear-host.ts'
import { deadlinesOf } from '../sandboxes/deadlines.ts'
import { readSandbox } from '../sandboxes/find-sandbox.ts'
import { moveSandbox } from '../sandboxes/move-sandbox.ts'
import { finishMerge } from '../snapshots/finish-merge.ts'
import { dropIntent } from '../snapshots/merge-sandboxes.ts'
import type { Mend } from './decide-mend.ts'

type Mended = Pick<SandboxRow, 'id' | 'state' | 'revision' | 'host' | 'mergeInto'>
type Seen = { machine: VmRecord | undefined; reason: string | undefined }

export async function mend(controller: Controller, host: Host, row: Mended, what: Mend, seen: Seen): Promise<void> {
  if (what === 'leave') return
  controller.metrics.mends.inc({ kind: what })
  controller.log('info', 'reconcile.mend', { sandbox: row.id, host: host.name, state: row.state, what })
  const { db } = controller.database
  const { revision } = row
  switch (what) {
    case 'ready':
      await moveSandbox(db, row.id, 'ready', { revision, ...factsOf(seen.machine) })
      return
    case 'pause_row':
      await moveSandbox(db, row.id, 'pause', { revision })
      return
    case 'pause_machine': {
      // The mends before this one took their time, and a machine that was woken meanwhile must not be stopped.
      if ((await readSandbox(db, row.id))?.revision !== revision) return
      const answer = await host.pause(row.id)
      if (answer.kind === 'done') await moveSandbox(db, row.id, 'pause', { revision })
      return
    }
    case 'go_on':
      await moveSandbox(db, row.id, 'snapshotted', { revision })
      return
    case 'finish_merge':
      if (row.mergeInto !== null) await finishMerge(controller, { parent: row.mergeInto, winner: row.id })
      return
    case 'drop_merge':
      if (row.mergeInto !== null) await dropIntent(controller, row.mergeInto, row.id)
      return
    case 'set_deadlines': {
      const now = await readSandbox(db, row.id)
      if (now?.revision === revision) await host.setDeadlines(row.id, deadlinesOf(now))
      return
    }
    case 'set_egress':
      await settleEgress(controller, row.id, seen.machine?.egress_revision)
      return
    case 'fail': {
      const lastError = seen.reason ?? 'The machine of this sandbox is gone.'
      const failed = await moveSandbox(db, row.id, 'fail', { revision, lastError })
      if (failed !== undefined) await clearHost(controller, failed)
      return
    }
    case 'destroy': {
      const destroyed = await moveSandbox(db, row.id, 'destroy', { revision })
      if (destroyed !== undefined) await clearHost(controller, destroyed)
      return
    }
    case 'clear':
      await clearHost(controller, row)
  }
}

const factsOf = (machine: VmRecord | undefined) =>
  machine === undefined
    ? {}
    : {
        bootPath: machine.boot_path,
        bootMs: Math.round(machine.boot_ms),
        expiresAt: machine.expires_at_ms === null ? null : new Date(machine.expires_at_ms),
      }
