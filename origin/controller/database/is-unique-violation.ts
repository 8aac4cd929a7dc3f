/** Whether a statement failed because another row has the same value already; `index` names which value. */
export function isUniqueViolation(thrown: unknown, index: string): boolean {
  const cause = thrown instanceof Error ? (thrown.cause ?? thrown) : undefined
  if (typeof cause !== 'object' || cause === null || !('code' in cause) || !('constraint' in cause)) return false
  return cause.code === UNIQUE_VIOLATION && cause.constraint === index
}

const UNIQUE_VIOLATION = '23505'
