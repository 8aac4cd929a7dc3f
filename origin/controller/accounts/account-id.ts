/** Names of what belongs to the installation and not to a region: a kind and a ULID, so that they sort by the time they were made. */
import { ulid } from 'ulid'

export type AccountIdKind = 'key' | 'ten' | 'wsp' | 'epol' | 'erul' | 'esec' | 'ebnd'

export const newAccountId = (kind: AccountIdKind, nowMs: number): string => `${kind}_${ulid(nowMs).toLowerCase()}`
