/** How many there are now, in all and of each tenant. What is counted leaves nothing behind once it is over. */
export type Counts = { of(tenant: string): number; all(): number; add(tenant: string, by: 1 | -1): void }

export function createCounts(): Counts {
  const byTenant = new Map<string, number>()
  let all = 0
  return {
    of: (tenant) => byTenant.get(tenant) ?? 0,
    all: () => all,
    add(tenant, by) {
      all += by
      const now = (byTenant.get(tenant) ?? 0) + by
      if (now === 0) byTenant.delete(tenant)
      else byTenant.set(tenant, now)
    },
  }
}
