/**
 * Statements that are asked all the time: built once, and understood and planned by the server once a connection. Of a short question that
 * is most of what it costs, on both sides.
 */
import type { Db } from './connect.ts'

/** `prepare` gives each of its shapes a name, which is its own on the whole server. A shape is prepared when it is first asked for. */
export function prepared<Shape extends string, Statement>(
  prepare: (db: Db, shape: Shape) => Statement,
): (db: Db, shape: Shape) => Statement {
  const kept = new WeakMap<Db, Map<Shape, Statement>>()
  return (db, shape) => {
    const statements = kept.get(db) ?? new Map<Shape, Statement>()
    kept.set(db, statements)
    const statement = statements.get(shape) ?? prepare(db, shape)
    statements.set(shape, statement)
    return statement
  }
}
