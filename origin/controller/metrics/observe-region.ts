/**
 * What is measured only when it is asked for: the pool of connections, the hosts, and the few sums of the database that cost no more
 * with fifty thousand sandboxes than with none. Hosts count their own machines, and the rows under which slots and room are taken
 * hold the rest, so no sandbox is counted here.
 */

import type pg from 'pg'
import { Gauge } from 'prom-client'
import type { Controller } from '../controller.ts'
import { describeError } from '../log.ts'

/** A host says the names, so their number needs a bound of ours. */
const POOLS_MAX = 256

type Sums = { counted: string; holding: string; outbox_sec: number; deliveries_sec: number }

/** Each is one look at an index, or a sum over hosts or tenants. */
const SUMS = `select
  (select coalesce(sum(used), 0) from quota_grant) as counted,
  (select coalesce(sum(reserved_vms), 0) from host) as holding,
  coalesce((select extract(epoch from clock_timestamp() - ts)::float8 from event where position is null order by id limit 1), 0) as outbox_sec,
  coalesce((select extract(epoch from clock_timestamp() - next_at)::float8 from delivery where status = 'pending' order by next_at limit 1), 0) as deliveries_sec`

export function observeRegion(controller: Controller): void {
  const { metrics, database, ledger, instance, inFlight, isDraining } = controller
  const registers = [metrics.registry]
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  const labelled = <Label extends string>(
    name: string,
    help: string,
    labelNames: Label[],
    read: () => Read<Label>,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        // What is not there any more is not shown any more.
        this.reset()
        for (const [labels, value] of read()) this.set(labels, value)
      },
    })
  }

  labelled('atoll_database_connections', 'Connections of the pool.', ['state'], () => connectionsOf(database.pool))
  labelled('atoll_sandboxes', 'Machines by state, as the hosts counted them at the last poll.', ['state'], () => [
    [{ state: 'running' }, sum(ledger.offers().map(({ capacity }) => capacity.running))],
    [{ state: 'paused' }, sum(ledger.offers().map(({ capacity }) => capacity.paused))],
  ])
  labelled('atoll_pool_machines', 'Primed machines that wait, by template and size.', ['pool'], () =>
    poolsOf(ledger.offers().map(({ capacity }) => capacity.pool)),
  )
  gauge('atoll_hosts_seen', 'Hosts that were heard of lately.', () => ledger.offers().length)
  gauge('atoll_load', 'The promised share of the offered memory.', () => ledger.load())
  gauge('atoll_requests_starting', 'Sandboxes that requests of this process work on.', () => inFlight.size)
  gauge('atoll_draining', '1 when this process is about to end.', () => Number(isDraining()))
  gauge('atoll_instance_number', 'The number under which this controller works.', () => instance.number)
  observeSums(controller)
}

type Read<Label extends string> = [labels: Record<Label, string>, value: number][]

/** Without a database there are no sums; everything else is still shown. The four gauges of one scrape share one question. */
function observeSums({ metrics, database, log }: Controller): void {
  let asking: Promise<Sums | undefined> | undefined
  const askOnce = (): Promise<Sums | undefined> => {
    asking ??= readSums(database.pool)
      .catch((err: unknown) => {
        log('warn', 'metrics.sums_failed', { error: describeError(err) })
        return undefined
      })
      .finally(() => {
        asking = undefined
      })
    return asking
  }
  const gauge = (name: string, help: string, read: (sums: Sums) => number): void => {
    new Gauge({
      name,
      help,
      registers: [metrics.registry],
      async collect() {
        const sums = await askOnce()
        this.set(sums === undefined ? Number.NaN : Math.max(0, read(sums)))
      },
    })
  }
  gauge('atoll_slots_used', 'Sandboxes that count against concurrency.', (sums) => Number(sums.counted))
  gauge('atoll_machines_promised', 'Sandboxes that hold room on hosts.', (sums) => Number(sums.holding))
  gauge('atoll_outbox_lag_seconds', 'The age of the oldest event without a position.', (sums) => sums.outbox_sec)
  gauge('atoll_delivery_lag_seconds', 'How late the oldest due delivery is.', (sums) => sums.deliveries_sec)
}

const readSums = async (pool: pg.Pool): Promise<Sums | undefined> =>
  (await pool.query<Sums>({ name: 'metrics_sums', text: SUMS })).rows[0]

const sum = (numbers: number[]): number => numbers.reduce((total, one) => total + one, 0)

const connectionsOf = ({ totalCount, idleCount, waitingCount }: pg.Pool): Read<'state'> => [
  [{ state: 'busy' }, totalCount - idleCount],
  [{ state: 'idle' }, idleCount],
  [{ state: 'waited_for' }, waitingCount],
]

function poolsOf(pools: Record<string, number>[]): Read<'pool'> {
  const depths = new Map<string, number>()
  for (const pool of pools)
    for (const [name, depth] of Object.entries(pool)) depths.set(name, (depths.get(name) ?? 0) + depth)
  return [...depths].slice(0, POOLS_MAX).map(([pool, depth]) => [{ pool }, depth])
}
