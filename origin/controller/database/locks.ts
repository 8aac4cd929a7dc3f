/** The numbers of advisory locks, in one place so that no two things share one. Each lock is a pair of a class and a number. */
export const LOCKS = {
  /** One per living controller: its instance number. The same class stands in migrations/0001 (`instance_alive`). */
  instance: 20_308,
  /** Things of which a region has one. */
  region: 20_309,
  migration: 1,
  reconciler: 2,
  /** Shared by every controller that serves; whoever gets it alone finds a region that was dead. */
  serving: 5,
  /** Held by whoever writes accounts, and shared by whoever reads them in order of version. */
  accounts: 3,
  /** Held by whoever gives events their places, or puts a delivery back in its line. */
  publisher: 4,
} as const
