/** One line of JSON per event on stderr. Callers give fields; nothing that is a secret is ever one of them. */
import { DrizzleQueryError } from 'drizzle-orm'
import { withoutSecrets } from '../../shared/redact.ts'

export type Fields = Record<string, string | number | boolean | null | undefined>
export type Level = 'info' | 'warn' | 'error'
export type Log = (level: Level, event: string, fields?: Fields) => void

export const createLog =
  (write: (line: string) => void, clock: () => number): Log =>
  (level, event, fields = {}) =>
    write(`${withoutSecrets(JSON.stringify({ ts: new Date(clock()).toISOString(), level, event, ...fields }))}\n`)

/** An error and what caused it, in one line for the log. */
export function describeError(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const cause = thrown.cause === undefined ? '' : ` <- ${describeError(thrown.cause)}`
  return `${thrown.name}: ${wordsOf(thrown)}${cause}`
}

/** Drizzle repeats every parameter of a statement that failed, and those are what callers sent: commands, environments, output. */
const wordsOf = (error: Error): string =>
  error instanceof DrizzleQueryError ? `Failed query: ${error.query}` : error.message
