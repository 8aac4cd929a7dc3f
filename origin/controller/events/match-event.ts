/** Whether somebody wants to hear of an event, by its name. Pure. */

/** `sandbox.paused` is itself; `sandbox.*` is all that begins with `sandbox.`; `*` is everything. */
export const matchesAny = (patterns: readonly string[], type: string): boolean =>
  patterns.some((pattern) => (pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern))
