/** The way out with which a sandbox is made: what its host is told in the same call, and what of that its row says. */
import type { EgressSetting } from '../../../shared/contracts/host-egress.ts'
import type { EgressWish } from '../../../shared/egress-wish.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { Owner } from './applicable-secrets.ts'
import { type EgressBook, effectivePolicy } from './effective-policy.ts'
import { forHost, markOf } from './host-policy.ts'

export type WayOut = {
  /** Null: nothing is said of it, and there is none. */
  setting: EgressSetting | null
  /** By the names of the columns. */
  columns: { egress_revision: number | null; egress_mark: string | null; egress_version: number }
  /** Placeholders of its secrets. */
  env: Record<string, string>
}
type Made = Owner & { egress: EgressWish | null }

/** No revision of a sandbox is told before this one. */
const FIRST_REVISION = 1

/** Of one that is new. Throws region_unavailable when the database does not answer. */
export async function planWayOut(
  controller: Controller,
  { tenant }: Pick<Principal, 'tenant'>,
  made: Made,
): Promise<WayOut> {
  return wayOutOf(controller, made, await controller.accounts.books.of(tenant))
}

export function wayOutOf({ accounts, egress, clock }: Controller, made: Made, book: EgressBook): WayOut {
  const effective = effectivePolicy(made, book, egress, clock())
  const mark = markOf(effective)
  const revision = mark === null ? null : FIRST_REVISION
  const policy = forHost(accounts.secrets, effective)
  return {
    setting: revision === null ? null : { revision, policy },
    columns: { egress_revision: revision, egress_mark: mark, egress_version: book.version },
    env: effective.env,
  }
}
