/** How many visitors are being served: in all, and of each tenant, so that those of one leave room for those of the others. */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

export type Crowd = {
  /** Returns what is to be called, once, when the visit is over. Throws capacity_exhausted or port_busy. */
  enter(tenant: string): () => void
}

export function createCrowd(): Crowd {
  const byTenant = new Map<string, number>()
  let all = 0
  return {
    enter(tenant) {
      const theirs = byTenant.get(tenant) ?? 0
      if (all >= LIMITS.previewsAtOnceMax)
        throw new AppError('capacity_exhausted', 'More visitors are here than this region takes at a time.')
      if (theirs >= LIMITS.previewsPerTenantAtOnceMax)
        throw new AppError('port_busy', 'The sandboxes of this tenant have as many visitors as they may at a time.')
      all += 1
      byTenant.set(tenant, theirs + 1)
      return () => {
        const left = (byTenant.get(tenant) ?? 0) - 1
        all -= 1
        if (left > 0) byTenant.set(tenant, left)
        else byTenant.delete(tenant)
      }
    },
  }
}
