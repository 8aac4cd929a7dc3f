/**
 * The host's side of a sandbox's proxy door: some requests always wait in the agent for its next connections, and each that comes is
 * served. What breaks the session is begun anew; what ends the door breaks off every connection.
 */
import type { Duplex } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { EGRESS_ACCEPT_PATH } from '../../../shared/contracts/guest-egress.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { OpenCall } from '../guest/open-call.ts'
import type { GuestSession } from '../guest/session.ts'
import { Connection } from './connection.ts'
import { createPace, type Pace } from './pace.ts'

const OK = 200

export type DoorOptions = {
  /** The session with the agent, opened anew when it broke. */
  session: (signal: AbortSignal) => Promise<GuestSession>
  /** Ends the door. */
  signal: AbortSignal
  serve: (connection: Duplex) => void
  /**
   * How many connections may come in a second, asked again for each: one that is begun and left at once costs its sandbox nothing, and
   * this daemon a request.
   */
  perSecMax: () => number
}

/** Resolves when the door has been ended. It never rejects: a guest that refuses is asked again, and that is all it can do. */
export async function keepDoor(options: DoorOptions): Promise<void> {
  const places = new Places(LIMITS.egressConnectionsMax)
  const pace = createPace(options.perSecMax)
  const waiting = Array.from({ length: LIMITS.egressAcceptsWaiting }, () => waitInTurn(options, places, pace))
  await Promise.all(waiting)
}

async function waitInTurn(options: DoorOptions, places: Places, pace: Pace): Promise<void> {
  const { signal } = options
  while (!signal.aborted)
    try {
      await keep(pace, signal)
      await places.take(signal)
      await acceptOne(options, () => places.giveBack())
    } catch {
      await sleep(LIMITS.egressRetryMs, undefined, { signal }).catch(() => undefined)
    }
}

/** Returns once a connection is being served. `done` is called when it is over, or when there was none. */
async function acceptOne({ session, signal, serve }: DoorOptions, done: () => void): Promise<void> {
  const call = { method: 'POST', path: EGRESS_ACCEPT_PATH, headers: {}, hasBody: true } as const
  let stream: OpenCall['stream'] | null = null
  try {
    const waiting = (await session(signal)).call(call, signal)
    stream = waiting.stream
    // Whoever serves it hears of its errors, too.
    stream.on('error', () => undefined).once('close', done)
    const { status } = await waiting.head
    if (status !== OK) throw new Error(`The agent has no door (${status}).`)
    serve(new Connection(stream))
  } catch (error) {
    if (stream === null) done()
    else stream.destroy()
    throw error
  }
}

/** How many connections there may be; who comes when there are as many waits. */
class Places {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  async take(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free -= 1
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = (): void => {
      const place = this.#waiting.indexOf(resolve)
      if (place !== -1) this.#waiting.splice(place, 1)
      reject(signal.reason)
    }
    this.#waiting.push(resolve)
    signal.addEventListener('abort', leave, { once: true })
    await promise.finally(() => signal.removeEventListener('abort', leave))
  }

  giveBack(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}

async function keep(pace: Pace, signal: AbortSignal): Promise<void> {
  while (!pace.takes(performance.now())) await sleep(LIMITS.egressPaceMs, undefined, { signal })
}
