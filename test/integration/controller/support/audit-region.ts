/** What must hold in a region's database whatever has happened, and what of it does not: a sentence for each fault. */
import { EVENTS, type SandboxState, transition } from '../../../../shared/lifecycle.ts'

type Sql = <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>

const COUNTERS = `
  select 'The tenant ' || tenant || ' has used ' || used || ' slots, and its rows count ' || counted as fault
  from quota_grant, lateral (
    select count(*) as counted from sandbox where sandbox.tenant = quota_grant.tenant and is_counted(state)) as rows
  where used <> counted
  union all
  select 'On the host ' || id || ' are reserved ' || reserved_vms || ' machines of ' || reserved_memory_mib || ' MiB, and its rows hold '
    || held || ' of ' || memory
  from host, lateral (
    select count(*) as held, coalesce(sum(memory_mib), 0) as memory, coalesce(sum(disk_mib), 0) as disk
    from sandbox where sandbox.host = host.id and released_at is null) as rows
  where (reserved_vms, reserved_memory_mib, reserved_disk_mib) is distinct from (held, memory, disk)`

const METERS = `
  select 'The sandbox ' || id || ' is ' || state || ', and its open meters are ' || open as fault
  from sandbox, lateral (
    select coalesce(string_agg(usage_interval.state, ', '), 'none') as open
    from usage_interval where sandbox = sandbox.id and closed_at is null) as meters
  where open <> coalesce(metered_as(state), 'none')
  union all
  select 'A meter is open for ' || sandbox || ', which has no row'
  from usage_interval where closed_at is null and not exists (select from sandbox where id = usage_interval.sandbox)
  union all
  select 'The meter ' || id || ' of ' || sandbox || ' ends before it begins' from usage_interval where closed_at < opened_at
  union all
  select 'Two meters of ' || one.sandbox || ' run at the same time'
  from usage_interval one join usage_interval other on other.sandbox = one.sandbox and other.id > one.id
  where other.opened_at < coalesce(one.closed_at, 'infinity') and coalesce(other.closed_at, 'infinity') > one.opened_at`

/** What the trigger wrote, in the order in which it did. */
const PATHS = `
  select sandbox, array_agg(data ->> 'state' order by id) as states from event
  where type in ('sandbox.created', 'sandbox.resumed') or type = 'sandbox.' || (data ->> 'state')
  group by sandbox`

export async function auditRegion(sql: Sql): Promise<string[]> {
  const faults = await sql<{ fault: string }>(`${COUNTERS} union all ${METERS}`)
  const paths = await sql<{ sandbox: string; states: SandboxState[] }>(PATHS)
  return [...faults.map(({ fault }) => fault), ...paths.flatMap(({ sandbox, states }) => stepsAmiss(sandbox, states))]
}

const stepsAmiss = (sandbox: string, states: SandboxState[]): string[] =>
  states.flatMap((to, step) => {
    const from = states[step - 1]
    const isLegal = from === undefined ? to === 'creating' : leads(from, to)
    return isLegal ? [] : [`The sandbox ${sandbox} went from ${from ?? 'nothing'} to ${to}`]
  })

const leads = (from: SandboxState, to: SandboxState): boolean =>
  EVENTS.some((event) => {
    const verdict = transition(from, event)
    return verdict.kind === 'moved' && verdict.to === to
  })
