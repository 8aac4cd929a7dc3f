/** Makes an interpreter of a guest quick before anybody has it: it runs what nobody sees and nobody counts. */
import { constants } from 'node:http2'
import type { GuestWarmUp } from '../../shared/contracts/guest-code.ts'
import { AppError } from '../../shared/errors.ts'
import type { GuestSession } from './guest/session.ts'

/** Throws AppError('boot_failed') when the code fails: a machine in which it does is not worth keeping. */
export async function warmInterpreter(session: GuestSession, order: GuestWarmUp, signal: AbortSignal): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const { stream, head } = session.call({ method: 'POST', path: '/v1/code/warm', headers, hasBody: true }, signal)
  stream.on('error', () => {}).end(JSON.stringify(order))
  const { status } = await head
  stream.close(constants.NGHTTP2_CANCEL)
  if (status === 204) return
  throw new AppError('boot_failed', 'A new machine did not run its first code.', {
    detail: `"${order.code}" was answered with ${status}`,
  })
}
