/**
 * Tells of processes that a service of ours keeps alive by itself: PostgreSQL below a controller, workerd below the edge. They are known
 * by their pids, which are looked at now and then; the end of the service itself is told by service.ts.
 */
import { readFile } from 'node:fs/promises'

const LOOK_MS = 500

export type Inner = {
  /** As a person calls it: `PostgreSQL of usw1`. */
  name: string
  /** The service that keeps it alive, or null while that is gone. */
  keeper: () => number | null
  /** Its pid, or null while there is none. */
  pid: () => Promise<number | null>
}

type Seen = { keeper: number; pid: number }

/** Until the signal aborts. Resolves when every one was looked at for the first time: from then on no end is missed. */
export async function watchInner(
  inner: readonly Inner[],
  tell: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const seen = new Map<Inner, Seen>()
  const look = async (one: Inner): Promise<void> => {
    const [keeper, pid] = [one.keeper(), await one.pid().catch(() => null)]
    if (keeper === null || pid === null || signal.aborted) return
    const before = seen.get(one)
    seen.set(one, { keeper, pid })
    // Under another keeper it is another one anyhow.
    if (before?.keeper === keeper && before.pid !== pid) tell(`${one.name} ended and was started again.`)
  }
  await Promise.all(inner.map(look))
  const timer = setInterval(() => void Promise.all(inner.map(look)), LOOK_MS)
  timer.unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}

/** The server of this data directory says so itself, in the first line of a file. */
export async function postgresPid(databaseDir: string): Promise<number | null> {
  const [first = ''] = (await readFile(`${databaseDir}/postgres/postmaster.pid`, 'utf8')).split('\n')
  return Number(first) || null
}

/** The child of a process that runs this program. */
export async function childPid(parent: number | null, program: string): Promise<number | null> {
  if (parent === null) return null
  const children = (await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8')).split(' ').filter(Boolean)
  for (const child of children) {
    const named = await readFile(`/proc/${child}/comm`, 'utf8').catch(() => '')
    if (named.trim() === program) return Number(child)
  }
  return null
}
