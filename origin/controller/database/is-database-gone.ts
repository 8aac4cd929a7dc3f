/** Tells "the database is away" (the caller may come again) from a query that is wrong (our own mistake). */

/** SQLSTATE classes: connection exception, insufficient resources, operator intervention (shutdown, cancel, starting up). */
const AWAY_CLASSES = ['08', '53', '57']
const AWAY_SYSTEM_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EAI_AGAIN',
])
/** pg has no codes for its own errors; these are its words. */
const AWAY_WORDS = [
  'timeout exceeded when trying to connect',
  'Connection terminated',
  'Query read timeout',
  'Client has encountered a connection error',
  'Cannot use a pool after calling end',
]

/** Looks through `cause`, because drizzle wraps what the driver throws. */
export function isDatabaseGone(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return false
  const code = 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : ''
  if (AWAY_SYSTEM_CODES.has(code)) return true
  if (/^[0-9A-Z]{5}$/.test(code) && AWAY_CLASSES.includes(code.slice(0, 2))) return true
  if (AWAY_WORDS.some((words) => thrown.message.includes(words))) return true
  return thrown.cause !== undefined && isDatabaseGone(thrown.cause)
}
