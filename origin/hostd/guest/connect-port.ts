/** Connects to one of a machine's ports. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'

/**
 * QEMU serves one client of a port at a time and lets one more wait. A connection that comes while it still takes leave of
 * the one before is refused with EAGAIN and made again, until the signal ends it; everything else fails at once.
 */
export async function connectPort(path: string, signal: AbortSignal): Promise<Socket> {
  for (;;) {
    signal.throwIfAborted()
    const socket = connect(path)
    try {
      await once(socket, 'connect', { signal })
      // An error also destroys its socket, which is what everybody looks at; without a listener it would end the process.
      return socket.on('error', () => {})
    } catch (cause) {
      socket.destroy()
      if (!isBusy(cause)) throw cause
    }
    await sleep(LIMITS.guestConnectRetryMs, undefined, { signal })
  }
}

const isBusy = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'EAGAIN'
