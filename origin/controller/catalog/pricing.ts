/** What usage costs today, by unit and by size. Pure. */
import type { Pricing } from '../../../shared/contracts/catalog.ts'
import type { Rates } from '../../../shared/contracts/usage.ts'
import { type Machine, SIZE_NAMES, SIZES } from '../../../shared/machines.ts'

type PerHour = Pricing['per_hour']

/** Before the first rate nothing costs anything. */
const FREE = { since: null, vcpu: 0, memory_gib: 0, paused_memory_gib: 0, disk_gib: 0 }
const GIB = 1_024

export function priceToday({ currency, rates }: Rates, nowMs: number): Pricing {
  const today = new Date(nowMs).toISOString().slice(0, 10)
  const row = rates.filter(({ since }) => since <= today).sort((a, b) => (a.since < b.since ? 1 : -1))[0]
  const { since, ...perHour } = row ?? FREE
  return {
    currency,
    since,
    per_hour: perHour,
    sizes: Object.fromEntries(SIZE_NAMES.map((name) => [name, priceOf(SIZES[name], perHour)])),
  }
}

function priceOf({ vcpus, memoryMib, diskMib }: Machine, perHour: PerHour): Pricing['sizes'][string] {
  const disk = (diskMib / GIB) * perHour.disk_gib
  return {
    running_per_hour: rounded(vcpus * perHour.vcpu + (memoryMib / GIB) * perHour.memory_gib + disk),
    paused_per_hour: rounded((memoryMib / GIB) * perHour.paused_memory_gib + disk),
  }
}

/** As fine as the rates are. */
const rounded = (price: number): number => Number(price.toFixed(9))
