/** The one session with a machine's agent: opened when somebody needs it, opened anew after it broke. */
import { type GuestSession, openGuestSession } from '../guest/session.ts'
import type { MachineFiles } from './files.ts'

export class GuestLink {
  readonly #files: Pick<MachineFiles, 'data' | 'control'>
  #session: Promise<GuestSession> | null = null

  constructor(files: Pick<MachineFiles, 'data' | 'control'>) {
    this.#files = files
  }

  /**
   * The session that is open, or a new one. `signal` bounds the wait for an agent that is not up yet; where somebody else
   * waits for it already and gives up, it is begun anew.
   */
  async session(signal: AbortSignal): Promise<GuestSession> {
    for (;;) {
      if (this.#session === null) return this.#open(signal)
      const joined = await this.#session.catch(() => null)
      if (joined !== null) return joined
      signal.throwIfAborted()
    }
  }

  #open(signal: AbortSignal): Promise<GuestSession> {
    const opening = openGuestSession({ dataPath: this.#files.data, controlPath: this.#files.control, signal })
    this.#session = opening
    const forget = (): void => {
      if (this.#session === opening) this.#session = null
    }
    opening.then((session) => session.closed.then(forget), forget)
    return opening
  }

  async close(): Promise<void> {
    const session = await this.#session?.catch(() => null)
    session?.close()
  }
}
