/** Every statement that this process sends while it is recorded, once each, with values that it was sent with. */
import pg from 'pg'

export type Recorded = ReadonlyMap<string, unknown[]>

const PLANNED = /^\s*(select|insert|update|delete|with)\b/i

/** `stop` ends the recording; what was recorded stays. */
export function recordStatements(): { statements: Recorded; stop(): void } {
  const statements = new Map<string, unknown[]>()
  const original = pg.Client.prototype.query
  const record = (query: unknown, values: unknown): void => {
    const text = typeof query === 'string' ? query : textOf(query)
    const given = Array.isArray(values) ? values : valuesOf(query)
    if (text !== undefined && PLANNED.test(text) && !statements.has(text)) statements.set(text, given)
  }
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]): unknown {
    record(args[0], args[1])
    return Reflect.apply(original, this, args)
  } as typeof original
  return {
    statements,
    stop() {
      pg.Client.prototype.query = original
    },
  }
}

const textOf = (query: unknown): string | undefined =>
  typeof query === 'object' && query !== null && 'text' in query && typeof query.text === 'string'
    ? query.text
    : undefined

const valuesOf = (query: unknown): unknown[] =>
  typeof query === 'object' && query !== null && 'values' in query && Array.isArray(query.values) ? query.values : []
