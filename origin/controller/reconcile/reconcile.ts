/** Compares what is with what should be, and mends it. Takes no input, may run anywhere at any time; one controller at a time does. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { expireSecrets } from '../egress/expire-secrets.ts'
import { createSettling } from '../egress/keep-settled.ts'
import type { Repeating } from '../repeat.ts'
import { settleSpaces } from '../spaces/settle-spaces.ts'
import { settleBuilds } from '../templates/builds/settle-builds.ts'
import { repeatAsLeader } from './as-leader.ts'
import { forgetOld } from './forget.ts'
import { createHostWatch } from './lose-hosts.ts'
import { mendMeters } from './mend-meters.ts'
import { recount } from './recount.ts'

export const keepReconciling = (controller: Controller): Repeating[] => [
  repeatAsLeader(controller, 'hosts', LIMITS.reconcileMs, createHostWatch(controller)),
  repeatAsLeader(controller, 'meters', LIMITS.reconcileMetersMs, () => mendMeters(controller)),
  repeatAsLeader(controller, 'spaces', LIMITS.spacesSettleMs, () => settleSpaces(controller)),
  repeatAsLeader(controller, 'builds', LIMITS.buildsSettleMs, () => settleBuilds(controller)),
  repeatAsLeader(controller, 'egress', LIMITS.egressSettleMs, createSettling(controller)),
  repeatAsLeader(controller, 'egress_secrets', LIMITS.reconcileMs, () => expireSecrets(controller)),
  repeatAsLeader(controller, 'forget', LIMITS.forgetMs, () => forgetOld(controller)),
  repeatAsLeader(controller, 'recount', LIMITS.recountMs, () => recount(controller)),
]
