/** Where the program workerd is. It is miniflare's dependency, not ours, so it is looked up from there. */
import { createRequire } from 'node:module'

/** Throws when the package is not installed. */
export function workerdProgram(): string {
  const fromHere = createRequire(import.meta.url)
  const found: unknown = createRequire(fromHere.resolve('miniflare'))('workerd')
  if (typeof found === 'object' && found !== null && 'default' in found && typeof found.default === 'string') {
    return found.default
  }
  throw new Error('The package workerd does not say where its program is.')
}
