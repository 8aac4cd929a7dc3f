/** How many visitors are being served: in all, and of each tenant, so that those of one leave room for those of the others. */
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { createCounts } from '../tenant-counts.ts'

export type Crowd = {
  /** Returns what is to be called, once, when the visit is over. Throws capacity_exhausted or port_busy. */
  enter(tenant: string): () => void
}

export function createCrowd(): Crowd {
  const visitors = createCounts()
  return {
    enter(tenant) {
      if (visitors.all() >= LIMITS.previewsAtOnceMax)
        throw new AppError('capacity_exhausted', 'More visitors are here than this region takes at a time.')
      if (visitors.of(tenant) >= LIMITS.previewsPerTenantAtOnceMax)
        throw new AppError('port_busy', 'The sandboxes of this tenant have as many visitors as they may at a time.')
      visitors.add(tenant, 1)
      return () => visitors.add(tenant, -1)
    },
  }
}
