/** One line of JSON per event on stderr. Callers give fields; nothing that is a secret is ever one of them. */
export type Fields = Record<string, string | number | boolean | null | undefined>
export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: Fields) => void

export const createLog =
  (write: (line: string) => void, clock: () => number): Log =>
  (level, event, fields = {}) =>
    write(`${JSON.stringify({ ts: new Date(clock()).toISOString(), level, event, ...fields })}\n`)

/** An error and what caused it, in one line for the log. */
export function describeError(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const cause = thrown.cause === undefined ? '' : ` <- ${describeError(thrown.cause)}`
  return `${thrown.name}: ${thrown.message}${cause}`
}
