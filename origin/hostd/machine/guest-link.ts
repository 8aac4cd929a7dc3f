/** The one session with a machine's agent: opened when somebody needs it, opened anew after it broke. */
import { AppError } from '../../../shared/errors.ts'
import type { Wire } from '../guest/channel.ts'
import { unreachable } from '../guest/handshake.ts'
import { type GuestSession, openGuestSession } from '../guest/session.ts'
import type { Violation } from '../guest/violation.ts'
import { unlessAborted } from '../unless-aborted.ts'
import type { MachineFiles } from './files.ts'

export class GuestLink {
  readonly #files: Pick<MachineFiles, 'data' | 'control'>
  readonly #wire: Wire
  readonly #accused = new AbortController()
  readonly #closed = new AbortController()
  #session: Promise<GuestSession> | null = null
  #keepsCommands = false

  constructor(files: Pick<MachineFiles, 'data' | 'control'>, wire: Wire) {
    this.#files = files
    this.#wire = wire
  }

  /** Aborts with the violation when the agent did what none of ours does. */
  get accused(): AbortSignal {
    return this.#accused.signal
  }

  accuse(violation: Violation): void {
    if (this.accused.aborted) return
    this.#wire.noteViolation(violation)
    this.#accused.abort(violation)
  }

  /** The session that is opened next lets go on what runs inside: the machine stood still while it lost its host. */
  keepCommands(): void {
    this.#keepsCommands = true
  }

  /**
   * The session that is open, or a new one. `signal` bounds the wait for an agent that is not up yet, also where somebody else waits for
   * it already, for as long as they like; where they give up, it is begun anew.
   */
  async session(signal: AbortSignal): Promise<GuestSession> {
    for (;;) {
      if (this.#session === null) return this.#open(signal)
      const opening = this.#session.catch(() => null)
      const joined = await unlessAborted(signal, opening).catch((cause: unknown) => {
        throw cause instanceof AppError ? cause : unreachable('The agent in the sandbox did not answer in time.', cause)
      })
      if (joined !== null) return joined
    }
  }

  #open(signal: AbortSignal): Promise<GuestSession> {
    const opening = openGuestSession({
      dataPath: this.#files.data,
      controlPath: this.#files.control,
      signal: AbortSignal.any([signal, this.#closed.signal]),
      keepsCommands: this.#keepsCommands,
      wire: this.#wire,
      accuse: (violation) => this.accuse(violation),
    })
    this.#session = opening
    const forget = (): void => {
      if (this.#session === opening) this.#session = null
    }
    const opened = (session: GuestSession): Promise<void> => {
      this.#keepsCommands = false
      return session.closed.then(forget)
    }
    opening.then(opened, forget)
    return opening
  }

  /** For good. Whoever still waits for an agent that cannot answer, as in a machine that stands, waits no more. */
  async close(): Promise<void> {
    this.#closed.abort(unreachable('The machine of the sandbox is being ended.'))
    const session = await this.#session?.catch(() => null)
    session?.close()
  }
}
