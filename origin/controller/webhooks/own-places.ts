/**
 * Where this service itself is. What guards it from outside does not see what comes from inside, and a public address of it leads past
 * that. The edge is known by its names alone: the addresses in front of it are those of many other sites as well, whose answers come
 * by the name that is asked for.
 */
import { networkInterfaces } from 'node:os'
import { LIMITS } from '../../../shared/limits.ts'
import { familyOf, type NameServer } from '../../../shared/public-address.ts'
import { bareHost, type OwnPlaces } from './public-address.ts'

type Setting = { regions: readonly { url: string | null }[] } & Record<
  'homeUrl' | 'edgeUrl' | 'quotaUrl',
  string | undefined
>

/** Looked at anew each time, because addresses come and go. */
const ofThisMachine = (): string[] =>
  Object.values(networkInterfaces()).flatMap((of) => (of ?? []).map(({ address }) => address))

export function createOwnPlaces(
  { regions, homeUrl, edgeUrl, quotaUrl }: Setting,
  names: NameServer,
  clock: () => number,
  machine: () => string[] = ofThisMachine,
): OwnPlaces {
  const regional = hostsOf([homeUrl, ...regions.map(({ url }) => url)])
  const own = new Set([...regional, ...hostsOf([edgeUrl, quotaUrl])])
  const known = new Map<string, string[]>()
  let read: { atMs: number; done: Promise<unknown> } | undefined

  // What is not answered stays as it was known: a name server that is away opens nothing.
  const ask = async (host: string): Promise<void> => {
    const found = await names(host).catch(() => [])
    if (found.length > 0)
      known.set(
        host,
        found.map(({ address }) => address),
      )
  }
  return {
    isOwnName: (host) => own.has(plain(host)),
    async addresses() {
      if (read === undefined || clock() - read.atMs >= LIMITS.ownAddressesMs)
        read = { atMs: clock(), done: Promise.all(regional.filter((host) => familyOf(host) === 0).map(ask)) }
      await read.done
      return [...machine(), ...regional, ...[...known.values()].flat()]
    },
  }
}

/** A name may end in a dot, and is the same. */
const plain = (host: string): string => host.toLowerCase().replace(/\.$/, '')

const hostsOf = (urls: readonly (string | null | undefined)[]): string[] =>
  urls.flatMap((url) => (url === null || url === undefined ? [] : [plain(bareHost(new URL(url)))]))
