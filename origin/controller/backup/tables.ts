/** What there is to back up, read from the database itself, so that no table can be forgotten. */
import pg from 'pg'

export type Table = { name: string; columns: string[] }
export type Sequence = { name: string; value: number; max: number }

/** Each after those that it refers to: rows are put back in this order. */
export async function listTables(client: pg.ClientBase): Promise<Table[]> {
  const { rows } = await client.query<Table & { needs: string[] }>(`
    select c.relname as name,
      (select array_agg(a.attname::text order by a.attnum) from pg_attribute a
       where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '') as columns,
      (select coalesce(array_agg(distinct f.relname::text), '{}') from pg_constraint k join pg_class f on f.oid = k.confrelid
       where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as needs
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' order by c.relname`)
  const ordered: Table[] = []
  const done = new Set<string>()
  while (ordered.length < rows.length) {
    const ready = rows.filter(({ name, needs }) => !done.has(name) && needs.every((need) => done.has(need)))
    if (ready.length === 0) throw new Error('The tables refer to each other in a circle.')
    for (const { name, columns } of ready) {
      ordered.push({ name, columns })
      done.add(name)
    }
  }
  return ordered
}

/** Those that were never drawn from have nothing to keep. */
export async function listSequences(client: pg.ClientBase): Promise<Sequence[]> {
  const { rows } = await client.query<{ name: string; value: string; max: string }>(`
    select sequencename as name, last_value as value, max_value as max from pg_sequences
    where schemaname = 'public' and last_value is not null`)
  return rows.map(({ name, value, max }) => ({ name, value: Number(value), max: Number(max) }))
}

export const quoted = (name: string): string => pg.escapeIdentifier(name)

export const columnsOf = ({ name, columns }: Table): string => `${quoted(name)} (${columns.map(quoted).join(', ')})`
