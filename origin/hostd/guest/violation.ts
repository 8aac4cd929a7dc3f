/** What an agent can do for which its machine is ended: each costs its host something, and no agent of ours does it. */
export const VIOLATIONS = {
  protocol: 'it broke the rules of HTTP/2',
  unasked: 'it sent what nobody had asked for',
  flood: 'it sent without end and said nothing',
  nonsense: 'it gave an answer that makes no sense',
  silence: 'it did not answer any more',
} as const

export type Violation = keyof typeof VIOLATIONS

/** Ends a session for one of them. */
export class BrokenRules extends Error {
  override readonly name = 'BrokenRules'
  readonly violation: Violation

  constructor(violation: Violation) {
    super(`The agent is not trusted any more: ${VIOLATIONS[violation]}.`)
    this.violation = violation
  }
}

/**
 * What the agent did when a session fails with this error; null when it did nothing wrong. The two codes are Node's: nghttp2 found
 * something against the protocol, a flood of frames that want an answer included; or too many frames that mean nothing.
 */
export function violationOf(error: unknown): Violation | null {
  if (error instanceof BrokenRules) return error.violation
  const code = error instanceof Error && 'code' in error ? error.code : null
  return code === 'ERR_HTTP2_ERROR' || code === 'ERR_HTTP2_TOO_MANY_INVALID_FRAMES' ? 'protocol' : null
}
