/** One JSON object a line on stderr. Secrets never come here: no environment, no command, no output of a guest but its console. */
export type Log = (event: string, fields?: Record<string, string | number | boolean | undefined>) => void

export const logTo =
  (write: (line: string) => void, now: () => number): Log =>
  (event, fields = {}) =>
    write(`${JSON.stringify({ at: new Date(now()).toISOString(), event, ...fields })}\n`)

/** An error as it belongs in a log: what happened, and what nobody else may read. */
export function describe(error: unknown): { error: string; detail?: string } {
  if (!(error instanceof Error)) return { error: String(error) }
  const inner = 'detail' in error && typeof error.detail === 'string' ? error.detail : undefined
  const cause = error.cause instanceof Error ? error.cause.message : undefined
  const detail = [inner, cause].filter((part) => part !== undefined).join('; ')
  return detail === '' ? { error: error.message } : { error: error.message, detail }
}
