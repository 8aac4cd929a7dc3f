/**
 * Names that carry what is needed to route and check them, so that a typo costs no look-up anywhere.
 *
 *   sbx_usw1_01k2v5w9m3q8r7t6y4z2a1b0c9xyz
 *   kind  region  ULID (26)            CRC (3), both lowercase Crockford base32
 *
 * Randomness and time enter as arguments; this file has neither.
 */
import CRC32 from 'crc-32'
import { encodeTime } from 'ulid'

export const ID_KINDS = ['sbx', 'exec', 'snap', 'tpl', 'bld', 'evt', 'dlv', 'hst', 'prv', 'shr', 'spc', 'aud'] as const
export type IdKind = (typeof ID_KINDS)[number]
export type ParsedId = { kind: IdKind; region: string; ulid: string }

/** Five bits a character. */
export const CROCKFORD = '0123456789abcdefghjkmnpqrstvwxyz'
const ID = new RegExp(`^(${ID_KINDS.join('|')})_([a-z][a-z0-9]{1,5})_([${CROCKFORD}]{26})([${CROCKFORD}]{3})$`)
const RANDOM_CHARS = 16

/** A new id. `random` must be at least 16 fresh random bytes; ids of one millisecond sort in no particular order. */
export function newId(kind: IdKind, region: string, nowMs: number, random: Uint8Array): string {
  const ulid = encodeTime(nowMs, 10).toLowerCase() + randomChars(random, RANDOM_CHARS)
  const body = `${kind}_${region}_${ulid}`
  return body + checksum(body, 3)
}

/** The parts of an id, or null when it is not one: wrong shape, wrong kind or wrong checksum. */
export function parseId(text: string, kind?: IdKind): ParsedId | null {
  const match = ID.exec(text)
  if (match === null) return null
  const [, foundKind, region, ulid, crc] = match as unknown as [string, IdKind, string, string, string]
  if (kind !== undefined && kind !== foundKind) return null
  if (checksum(text.slice(0, -3), 3) !== crc) return null
  return { kind: foundKind, region, ulid }
}

/** The id that this one would be in another region: same kind, same moment. A place in time for lists over regions, not a thing that exists. */
export function idInRegion(id: ParsedId, region: string): string {
  const body = `${id.kind}_${region}_${id.ulid}`
  return body + checksum(body, 3)
}

/** Inside a host name `_` is not allowed: `sbx-usw1-...`. */
export const idToLabel = (id: string): string => id.replaceAll('_', '-')
export const labelToId = (label: string): string => label.replaceAll('-', '_')

const KEY = new RegExp(`^atl_(live|test)_([${CROCKFORD}]{32})([${CROCKFORD}]{6})$`)
const KEY_SECRET_CHARS = 32

/** A new API key, `atl_live_<32 characters of secret><6 of checksum>`: 160 random bits from at least 32 fresh random bytes. */
export function newApiKey(mode: 'live' | 'test', random: Uint8Array): string {
  const body = `atl_${mode}_${randomChars(random, KEY_SECRET_CHARS)}`
  return body + checksum(body, 6)
}

/** Whether the key can be one of ours; a mistyped key is told from an unknown one without asking anybody. */
export function isWellFormedApiKey(text: string): boolean {
  return KEY.test(text) && checksum(text.slice(0, -6), 6) === text.slice(-6)
}

const JOIN_TOKEN = new RegExp(`^atlj_([${CROCKFORD}]{32})([${CROCKFORD}]{6})$`)

/** A new token with which one machine may join a region, of the same strength as an API key. */
export function newJoinToken(random: Uint8Array): string {
  const body = `atlj_${randomChars(random, KEY_SECRET_CHARS)}`
  return body + checksum(body, 6)
}

export function isWellFormedJoinToken(text: string): boolean {
  return JOIN_TOKEN.test(text) && checksum(text.slice(0, -6), 6) === text.slice(-6)
}

function randomChars(random: Uint8Array, count: number): string {
  if (random.length < count) throw new RangeError(`An id needs ${count} random bytes and got ${random.length}.`)
  return Array.from(random.subarray(0, count), (byte) => CROCKFORD[byte & 31]).join('')
}

/** The low `chars` x 5 bits of CRC-32 (IEEE), in Crockford base32. */
function checksum(text: string, chars: number): string {
  let rest = CRC32.str(text) >>> 0
  let out = ''
  for (let i = 0; i < chars; i++) {
    out = CROCKFORD[rest & 31] + out
    rest >>>= 5
  }
  return out
}
