/** A body that is handed on while it comes. */
import type { Readable } from 'node:stream'
import type { Arrival } from './arrival.ts'
import { refuseEncoding } from './read-body.ts'

/** Counted, and held until somebody reads it. Throws encoding_not_taken: what is stored is what was sent. */
export function takeUpload(arrival: Arrival): Readable {
  const { incoming } = arrival
  refuseEncoding(incoming.headers['content-encoding'])
  // Paused first, so that it does not flow before its reader is there.
  return incoming.pause().on('data', (chunk: Buffer) => {
    arrival.bytesIn += chunk.length
  })
}
