/**
 * The public name of an event's place: what `Last-Event-ID` brings back, and what receivers tell repeats by.
 *
 *   evt_usw1_  01k2v5w9m3  q8r7t6y4z2a1b0c9  xyz
 *              time (48)   place and proof   CRC
 *
 * The place is covered by a keystream of the region and the time, and proven by 16 bits of a MAC: a count of all that happens in a
 * region is nobody's business, and a changed id is refused instead of going on somewhere else. The key must outlive restarts, and be
 * the same in all controllers of a region.
 */
import { createHmac, hkdfSync } from 'node:crypto'
import { AppError } from '../../../shared/errors.ts'
import { CROCKFORD, newId, parseId } from '../../../shared/ids.ts'

export type EventIds = {
  of(position: number, at: Date): string
  /** Throws invalid_request when it is not an id of this region's, byte for byte as it was given. */
  positionOf(id: string): number
}

const TIME_CHARS = 10
const SEALED_BYTES = 10
const POSITION_BYTES = 8
const BITS_PER_CHAR = 5n

export function createEventIds(secret: string, region: string): EventIds {
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'atoll event ids', 32))
  const mac = (...parts: string[]): Buffer => createHmac('sha256', key).update(parts.join(' ')).digest()

  const seal = (time: string, position: number): Buffer => {
    const sealed = Buffer.alloc(SEALED_BYTES)
    sealed.writeBigUInt64BE(BigInt(position))
    mac('proof', region, time, String(position)).copy(sealed, POSITION_BYTES, 0, SEALED_BYTES - POSITION_BYTES)
    return cover(sealed, mac('cover', region, time))
  }
  return {
    of(position, at) {
      // The id that has this time and no place yet says how the time is written.
      const blank = newId('evt', region, at.getTime(), Buffer.alloc(16))
      return newId('evt', region, at.getTime(), toChars(seal(timeOf(blank), position)))
    },
    positionOf(id) {
      const parsed = parseId(id, 'evt')
      if (parsed === null || parsed.region !== region) throw notOurs()
      const time = parsed.ulid.slice(0, TIME_CHARS)
      const sealed = fromChars(parsed.ulid.slice(TIME_CHARS))
      const position = Number(cover(sealed, mac('cover', region, time)).readBigUInt64BE())
      if (!Number.isSafeInteger(position) || !seal(time, position).equals(sealed)) throw notOurs()
      return position
    },
  }
}

const timeOf = (id: string): string => parseId(id, 'evt')?.ulid.slice(0, TIME_CHARS) ?? ''

/** The same again uncovers. Only the place is covered; the proof is a MAC already. */
function cover(sealed: Buffer, stream: Buffer): Buffer {
  const out = Buffer.from(sealed)
  for (let at = 0; at < POSITION_BYTES; at++) out[at] = (sealed[at] ?? 0) ^ (stream[at] ?? 0)
  return out
}

/** 80 bits as 16 numbers of five. */
function toChars(bytes: Buffer): Uint8Array {
  let rest = BigInt(`0x${bytes.toString('hex')}`)
  const out = new Uint8Array((SEALED_BYTES * 8) / Number(BITS_PER_CHAR))
  for (let at = out.length - 1; at >= 0; at--) {
    out[at] = Number(rest & 31n)
    rest >>= BITS_PER_CHAR
  }
  return out
}

function fromChars(text: string): Buffer {
  let value = 0n
  for (const char of text) value = (value << BITS_PER_CHAR) | BigInt(CROCKFORD.indexOf(char))
  return Buffer.from(value.toString(16).padStart(SEALED_BYTES * 2, '0'), 'hex')
}

const notOurs = (): AppError =>
  new AppError('invalid_request', 'The id to go on from is not one of this region.', {
    details: { last_event_id: ['is not an event id of this region'] },
  })
