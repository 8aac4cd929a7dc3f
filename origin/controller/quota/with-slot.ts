/** Something that takes slots of its tenant: tried, and tried again each time the region's share has grown. */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'

export const NO_SLOT = { kind: 'no_slot' } as const
export type NoSlot = typeof NO_SLOT

/** `attempt` takes `count` slots, and has done nothing when it did not find them. Throws concurrency_limit, or quota_authority_unavailable. */
export async function withSlot<Got extends { kind: string }>(
  { quota, clock }: Pick<Controller, 'quota' | 'clock'>,
  { tenant }: Pick<Principal, 'tenant'>,
  attempt: () => Promise<Got | NoSlot>,
  count: number = 1,
): Promise<Exclude<Got, NoSlot>> {
  const until = clock() + LIMITS.quotaWaitMs
  do {
    const got = await attempt()
    if (isGot(got)) {
      for (let taken = 0; taken < count; taken++) quota.noteUse(tenant)
      return got
    }
    const more = await quota.more(tenant, count)
    if (more !== 'again') throw refusal(more)
  } while (clock() < until)
  throw unavailable()
}

const isGot = <Got extends { kind: string }>(got: Got | NoSlot): got is Exclude<Got, NoSlot> =>
  got.kind !== NO_SLOT.kind

function refusal(more: Exclude<Awaited<ReturnType<Controller['quota']['more']>>, 'again'>): AppError {
  if (more.kind === 'unavailable') return unavailable()
  const { limit, running, tier } = more
  return new AppError('concurrency_limit', `Your tier ${tier} allows ${limit} sandboxes at a time.`, {
    details: { limit, running, tier },
  })
}

const unavailable = (): AppError =>
  new AppError(
    'quota_authority_unavailable',
    'This region has used up its part of your limit, and cannot ask for more of it at the moment.',
  )
