/** A body that is handed on while it comes. */
import { PassThrough, type Readable } from 'node:stream'
import { AppError } from '../../../shared/errors.ts'
import type { Arrival } from './arrival.ts'
import { refuseEncoding } from './read-body.ts'

/**
 * It fails when the body breaks off. Whoever reads it may stop and destroy it: the connection is left alone, because on it the caller is
 * to hear why. Throws encoding_not_taken: what is stored is what was sent.
 */
export function takeUpload(arrival: Arrival): Readable {
  const { incoming } = arrival
  refuseEncoding(incoming.headers['content-encoding'])
  const upload = new PassThrough()
  const breakOff = (cause?: unknown): void => {
    if (!incoming.readableEnded)
      upload.destroy(new AppError('upload_incomplete', 'The body broke off before its end.', { cause }))
  }
  // One that nobody reads any more is nobody's failure.
  upload.on('error', () => {})
  incoming.on('error', breakOff).once('close', () => breakOff())
  incoming.on('data', (chunk: Buffer) => {
    arrival.bytesIn += chunk.length
  })
  return incoming.pipe(upload)
}
