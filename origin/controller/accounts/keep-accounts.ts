/** What a controller does about accounts by itself: hears of changes, follows its home or tells the edge, and notes the use of keys. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import { type Repeating, repeat } from '../repeat.ts'
import { forgetUsedTickets } from './browser-tokens.ts'
import { followHome } from './follow-home.ts'
import { readPlace } from './places.ts'
import { pushTiers, pushToEdge } from './push-to-edge.ts'
import { lastVersion } from './read-changes.ts'

export function keepAccounts(controller: Controller): Repeating[] {
  const { homeUrl, edgeUrl } = controller.accounts
  return [
    hearOfChanges(controller),
    noteUses(controller),
    ...(homeUrl === undefined ? [] : [keepFollowing(controller, homeUrl)]),
    ...(homeUrl === undefined && edgeUrl !== undefined ? [keepPushing(controller, edgeUrl)] : []),
  ]
}

/** Another controller of this region may have written, or taken over, what this one has a copy of. */
function hearOfChanges({ accounts, database: { db }, log }: Controller): Repeating {
  let heard = -1
  return repeat(LIMITS.accountsNoticeMs, log, 'accounts.unheard', async () => {
    const now = accounts.homeUrl === undefined ? await lastVersion(db) : await readPlace(db, 'home')
    if (now !== heard) accounts.changed()
    heard = now
  })
}

function noteUses(controller: Controller): Repeating {
  const { accounts, database, instance, log } = controller
  const writing = repeat(LIMITS.keyUseNoteMs, log, 'accounts.uses_not_written', async () => {
    await accounts.uses.write(database.db)
    if (await instance.lead()) await forgetUsedTickets(database.db)
  })
  return {
    ...writing,
    async stop() {
      await writing.stop()
      await accounts.uses.write(database.db).catch(() => {})
    },
  }
}

const keepFollowing = (controller: Controller, homeUrl: string): Repeating =>
  untilStopped((stopping) =>
    repeat(LIMITS.accountsRetryMs, controller.log, 'accounts.home_unreachable', async () => {
      while (!stopping.aborted && (await controller.instance.lead())) await followHome(controller, homeUrl, stopping)
    }),
  )

/** The edge may be away for long, and each try costs it something, so the tries become fewer. */
function keepPushing(controller: Controller, edgeUrl: string): Repeating {
  let hasToldTiers = false
  let failures = 0
  let failed: { cause: unknown; until: number } | undefined
  return untilStopped((stopping) =>
    repeat(LIMITS.accountsNoticeMs, controller.log, 'accounts.edge_not_told', async () => {
      if (!(await controller.instance.lead())) return
      if (failed !== undefined && controller.clock() < failed.until) throw failed.cause
      try {
        if (!hasToldTiers) await pushTiers(controller, edgeUrl, stopping)
        hasToldTiers = true
        while (await pushToEdge(controller, edgeUrl, stopping));
        failures = 0
        failed = undefined
      } catch (cause) {
        failures += 1
        const waitMs = Math.min(LIMITS.accountsRetryMs * 2 ** (failures - 1), LIMITS.edgePushRetryMsMax)
        failed = { cause, until: controller.clock() + waitMs }
        throw cause
      }
    }),
  )
}

/** Repeating work that waits for others, and must not make a stop wait for them. */
function untilStopped(begin: (stopping: AbortSignal) => Repeating): Repeating {
  const stopping = new AbortController()
  const begun = begin(stopping.signal)
  return {
    ...begun,
    stop() {
      stopping.abort()
      return begun.stop()
    },
  }
}
