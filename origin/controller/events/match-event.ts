/**
 * By which name somebody wants to hear of an event, if at all. Pure.
 *
 * A sandbox that runs for the first time is ready, and started. Clients in the field know all three names; whoever asks for one of the
 * others hears that one. Whoever asks for several, or for a beginning of them, hears ours, so that nothing is told twice.
 */
const OTHER_NAMES: Record<string, readonly string[]> = { 'sandbox.running': ['sandbox.ready', 'sandbox.started'] }

/** `sandbox.paused` is itself; `sandbox.*` is all that begins with `sandbox.`; `*` is everything. */
const matches = (pattern: string, type: string): boolean =>
  pattern.endsWith('*') ? type.startsWith(pattern.slice(0, -1)) : type === pattern

/** They are many, and in a line with what matters more: a webhook must say that it wants them, not only a beginning that they share. */
const OF_COMMANDS = 'sandbox.exec.'

export const nameForWebhook = (patterns: readonly string[], type: string): string | undefined =>
  nameFor(type.startsWith(OF_COMMANDS) ? patterns.filter((pattern) => pattern.startsWith(OF_COMMANDS)) : patterns, type)

export const nameFor = (patterns: readonly string[], type: string): string | undefined =>
  patterns.some((pattern) => matches(pattern, type)) ? type : OTHER_NAMES[type]?.find((name) => patterns.includes(name))
