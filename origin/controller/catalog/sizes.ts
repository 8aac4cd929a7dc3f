/** The named sizes, and which of them a machine here is large enough for. Pure. */
import type { SizeRecord } from '../../../shared/contracts/catalog.ts'
import { SIZE_NAMES, SIZES, type SizeName } from '../../../shared/machines.ts'
import { couldHold, isFor, type Offer } from '../placement/ledger.ts'

export const listSizes = (offers: readonly Offer[], tenant: string, defaultSize: SizeName): SizeRecord[] =>
  SIZE_NAMES.map((name) => {
    const { vcpus, memoryMib, diskMib } = SIZES[name]
    return {
      id: name,
      name,
      cpu_count: vcpus,
      memory_mb: memoryMib,
      disk_size_mb: diskMib,
      default: name === defaultSize,
      available: offers.some((offer) => isFor(offer, tenant) && couldHold(offer, SIZES[name])),
    }
  })
