/**
 * The snapshots of this host. Each is a directory whose manifest is written last; one without it is nothing, and goes at the next start.
 *
 *   <state>/snapshots/<id>.<random>/    so that one that is being removed is not in the way of another one of its id
 *
 * Of which layers and bases a snapshot is made is counted from the manifests alone.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { MachineFacts } from '../capacity/machine-facts.ts'
import type { Log } from '../log.ts'
import type { LayerStore } from './layer-store.ts'
import { type Manifest, readManifest, SNAPSHOT_FILES, type Surroundings, writeManifest } from './manifest.ts'
import { Snapshot } from './snapshot.ts'
import { sync } from './sync-files.ts'

const MIB = 1024 * 1024

/** A directory for a snapshot that is being made; it goes unless it is finished. */
export type Draft = {
  directory: string
  /** From here on the snapshot exists. `isDurable` is whether it outlives this daemon. */
  finish(manifest: Manifest, isDurable: boolean): Promise<Snapshot>
  [Symbol.asyncDispose](): Promise<void>
}

type Options = {
  /** Bytes that snapshots may take in all. */
  budgetBytes: number
  facts: () => MachineFacts
  /** Of snapshots that are taken now. */
  surroundings: Surroundings
  layers: LayerStore
  /** Hears of every one that is finished. */
  onTaken: (manifest: Manifest) => void
  log: Log
}

export class SnapshotStore {
  readonly #directory: string
  readonly #options: Options
  readonly #kept = new Map<string, Snapshot>()
  /** The ids of those that are being made. */
  readonly #drafts = new Set<string>()
  /** Directories by the name of their id. */
  readonly #unreadable = new Map<string, string>()
  #reservedBytes = 0

  private constructor(stateDir: string, options: Options) {
    this.#directory = join(stateDir, 'snapshots')
    this.#options = options
  }

  /** Finds the snapshots that are there, and removes what is none. */
  static async open(stateDir: string, options: Options): Promise<SnapshotStore> {
    const store = new SnapshotStore(stateDir, options)
    await mkdir(store.#directory, { recursive: true, mode: 0o700 })
    for (const entry of await readdir(store.#directory)) await store.#takeUp(entry)
    return store
  }

  /** Removes layers and bases that no snapshot and no machine needs. Call it when all machines that were found hold theirs. */
  async sweep(): Promise<void> {
    // Nobody knows what an unreadable one needs: nothing is thrown away until it has been removed.
    if (this.#unreadable.size === 0) await this.#options.layers.sweep()
  }

  get surroundings(): Surroundings {
    return this.#options.surroundings
  }

  get facts(): () => MachineFacts {
    return this.#options.facts
  }

  get(id: string): Snapshot | null {
    return this.#kept.get(id) ?? null
  }

  /** Throws AppError: `snapshot_not_found`, `snapshot_corrupt`. */
  require(id: string): Snapshot {
    const found = this.#kept.get(id)
    if (found !== undefined) return found
    if (this.#unreadable.has(nameOf(id))) throw corrupt('Its manifest cannot be read.')
    throw new AppError('snapshot_not_found', 'This host has no such snapshot.')
  }

  /** The one of this id, if it is a controller's. Throws the same. */
  requireNamed(id: string): Snapshot {
    const found = this.require(id)
    if (found.manifest.kind === 'named') return found
    throw new AppError('snapshot_not_found', 'This host has no such snapshot.')
  }

  all(): Snapshot[] {
    return [...this.#kept.values()]
  }

  usedBytes(): number {
    return this.all().reduce((sum, { manifest }) => sum + manifest.bytes, 0)
  }

  /** Room for a snapshot that is being made. Throws AppError: `snapshot_space_exhausted`, `host_disk_exhausted`. */
  reserve(bytes: number): Disposable {
    const { budgetBytes, facts } = this.#options
    if (bytes > budgetBytes - this.usedBytes() - this.#reservedBytes)
      throw new AppError('snapshot_space_exhausted', 'The snapshots on this host take all the room they may.')
    const leftMib = facts().diskAvailableMib - (bytes + this.#reservedBytes) / MIB
    if (leftMib < LIMITS.hostDiskReserveMib)
      throw new AppError('host_disk_exhausted', 'This host has too little disk left for a snapshot of this sandbox.')
    this.#reservedBytes += bytes
    return {
      [Symbol.dispose]: () => {
        this.#reservedBytes -= bytes
      },
    }
  }

  /** Throws AppError: `already_exists`, or `state_conflict` while another one of this id is being made. */
  async draft(id: string): Promise<Draft> {
    if (this.#kept.has(id)) throw new AppError('already_exists', 'There is a snapshot of this id.')
    if (this.#drafts.has(id)) throw new AppError('state_conflict', 'A snapshot of this id is being made.')
    const directory = join(this.#directory, `${nameOf(id)}.${randomBytes(6).toString('hex')}`)
    this.#drafts.add(id)
    try {
      await mkdir(directory, { mode: 0o700 })
    } catch (error) {
      this.#drafts.delete(id)
      throw error
    }
    let isFinished = false
    return {
      directory,
      finish: async (manifest, isDurable) => {
        const hold = this.#options.layers.hold(needsOf(manifest))
        try {
          if (isDurable) await sync(this.#directory)
          if (isDurable) await writeManifest(directory, manifest)
        } catch (error) {
          hold.release()
          throw error
        }
        isFinished = true
        const snapshot = new Snapshot(manifest, directory, hold)
        this.#kept.set(id, snapshot)
        this.#options.onTaken(manifest)
        return snapshot
      },
      [Symbol.asyncDispose]: async () => {
        this.#drafts.delete(id)
        if (!isFinished) await rm(directory, { recursive: true, force: true })
      },
    }
  }

  /** Unknown ids are fine. It is gone for good when this returns; machines that came from it live on. */
  async remove(id: string): Promise<void> {
    const snapshot = this.#kept.get(id)
    const directory = snapshot?.directory ?? this.#unreadable.get(nameOf(id))
    if (directory === undefined) return
    this.#kept.delete(id)
    this.#unreadable.delete(nameOf(id))
    await rm(join(directory, SNAPSHOT_FILES.manifest), { force: true })
    await sync(directory)
    if (snapshot === undefined) await rm(directory, { recursive: true, force: true })
    else await snapshot.letGo()
  }

  /** The same for one that is a controller's; others it does not know. */
  async removeNamed(id: string): Promise<void> {
    const kind = this.get(id)?.manifest.kind ?? 'named'
    if (kind === 'named') await this.remove(id)
  }

  async #takeUp(entry: string): Promise<void> {
    const directory = join(this.#directory, entry)
    const name = entry.slice(0, entry.lastIndexOf('.'))
    const manifest = await readManifest(directory)
    if (manifest === 'absent') return rm(directory, { recursive: true, force: true })
    if (manifest === 'unreadable' || nameOf(manifest.id) !== name) {
      this.#unreadable.set(name, directory)
      this.#options.log('snapshot-unreadable', { name })
      return
    }
    this.#kept.set(manifest.id, new Snapshot(manifest, directory, this.#options.layers.hold(needsOf(manifest))))
  }
}

export const corrupt = (detail: string): AppError =>
  new AppError('snapshot_corrupt', 'What was kept of this snapshot is damaged.', { detail })

const needsOf = ({ base, layers }: Manifest) => ({ base: base.key, layers })

/** An id is anybody's word; as a name it stays where it is put. Throws AppError('invalid_request') when it is too long for one. */
function nameOf(id: string): string {
  if (id === '' || id.length > LIMITS.nameCharsMax)
    throw new AppError('invalid_request', `The id of a snapshot has 1 to ${LIMITS.nameCharsMax} characters.`)
  return `s-${encodeURIComponent(id)}`
}
