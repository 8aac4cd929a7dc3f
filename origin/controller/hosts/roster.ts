/**
 * The hosts of the region as this controller knows them: those that its configuration names, and those that have joined, which every
 * controller reads from the table. Whoever comes is attended to (polled, reconciled), whoever goes is let go; none of it needs a restart.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { and, isNotNull, or, sql } from 'drizzle-orm'
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Db } from '../database/connect.ts'
import { host } from '../database/schema/hosts.ts'
import { describeError } from '../log.ts'
import { type Repeating, repeat } from '../repeat.ts'
import type { HostAddress } from './address.ts'
import { connectHost, type Host } from './client.ts'
import { pollHost } from './poll.ts'

type Entry = { host: Host; address: HostAddress; works: Repeating[] }
/** `hosts` is the map that the controller gives its use cases. */
export type RosterOptions = {
  hosts: Map<string, Host>
  configured: readonly HostAddress[]
  attend: (host: Host) => Repeating[]
}

/** Returns when every host was asked once, or would not answer soon. */
export async function openRoster(controller: Controller, options: RosterOptions): Promise<Repeating> {
  const { hosts, configured, attend } = options
  const entries = new Map<string, Entry>()
  const leaving = new Set<Promise<void>>()

  const enter = async (address: HostAddress): Promise<void> => {
    const one = connectHost(address)
    hosts.set(address.name, one)
    const entry: Entry = { host: one, address, works: [] }
    entries.set(address.name, entry)
    await Promise.race([pollHost(controller, one).catch(() => {}), sleep(LIMITS.hostFirstPollMs)])
    // It may have gone again meanwhile.
    if (entries.get(address.name) === entry) entry.works = attend(one)
  }
  const leave = (name: string, entry: Entry): void => {
    entries.delete(name)
    if (hosts.get(name) === entry.host) hosts.delete(name)
    controller.ledger.forget(name)
    // What is under way there fails at once, and is done with before the last of its connections is counted as gone.
    const gone = entry.host.close().then(() => stopAll(entry.works))
    leaving.add(gone)
    void gone.finally(() => leaving.delete(gone))
  }
  const refresh = async (): Promise<void> => {
    const wanted = [...configured, ...(await readJoined(controller))]
    const { come, go } = compareRoster(new Map([...entries].map(([name, { address }]) => [name, address])), wanted)
    for (const name of go) {
      const entry = entries.get(name)
      if (entry !== undefined) leave(name, entry)
    }
    await Promise.all(come.map(enter))
  }

  // The configured ones are there even while the table cannot be read.
  await refresh().catch((err: unknown) => {
    controller.log('warn', 'roster.not_read', { error: describeError(err) })
    return Promise.all(configured.map(enter))
  })
  const refreshing = repeat(LIMITS.hostRosterMs, controller.log, 'roster.failed', refresh)
  return {
    ...refreshing,
    async stop() {
      await refreshing.stop()
      const left = [...entries.values()]
      await Promise.all(left.map(({ works }) => stopAll(works)))
      await Promise.all([...left.map((entry) => entry.host.close()), ...leaving])
    },
  }
}

const stopAll = async (works: Repeating[]): Promise<void> => {
  await Promise.all(works.map((work) => work.stop()))
}

/** Who has to be let go and who is to be attended to. Whose address has changed goes and comes. Pure. */
export function compareRoster(
  known: ReadonlyMap<string, HostAddress>,
  wanted: readonly HostAddress[],
): { come: HostAddress[]; go: string[] } {
  const byName = new Map(wanted.map((address) => [address.name, address]))
  const isSame = (name: string): boolean => JSON.stringify(known.get(name)) === JSON.stringify(byName.get(name))
  return {
    come: [...byName.values()].filter(({ name }) => !isSame(name)),
    go: [...known.keys()].filter((name) => !isSame(name)),
  }
}

/** One that was removed stays for a while, so that the reconciler ends what still runs there. */
async function readJoined({ database, hostRules, accounts, log }: Controller): Promise<HostAddress[]> {
  const rows = await selectJoined(database.db)
  return rows.flatMap(({ id, url, fingerprint, secret: sealed, tenant }): HostAddress[] => {
    if (url === null || fingerprint === null || sealed === null) return []
    const isPublicOnly = tenant !== null && !hostRules.arePrivateAllowed
    try {
      const secret = accounts.secrets.open(sealed)
      return [{ kind: 'network', name: id, url, fingerprint, secret, isPublicOnly }]
    } catch {
      // Sealed under another pepper. One host that cannot be reached must not keep the others from being known.
      log('error', 'roster.secret_not_opened', { host: id })
      return []
    }
  })
}

const selectJoined = (db: Db) =>
  db
    .select({ id: host.id, url: host.url, fingerprint: host.fingerprint, secret: host.secret, tenant: host.tenant })
    .from(host)
    .where(
      and(
        isNotNull(host.url),
        or(
          sql`${host.removedAt} is null`,
          sql`${host.removedAt} > clock_timestamp() - make_interval(secs => ${LIMITS.hostRemovedKeptMs / 1_000})`,
        ),
      ),
    )
    .limit(LIMITS.hostsMax)
