/**
 * The immutable files that machines and snapshots are made of, and which of them are still needed.
 *
 *   <state>/bases/<key>/           a template's files under names of our own, so that whoever collects templates harms nobody;
 *                                  or, for machines that were booted, only the image's root file system
 *   <state>/layers/<id>.qcow2      a disk's changes over its base, or over another layer; a sealed one has its checksum beside it
 *
 * Machines and snapshots hold what they need. What the last one lets go of is removed at once; what a crash left is removed by
 * `sweep`, when everybody who lives has said what they hold.
 */
import { randomBytes } from 'node:crypto'
import { renameSync, rmSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import { DEFAULT_ROOT, type GuestImage } from '../image.ts'
import { describe, type Log } from '../log.ts'
import type { Lineage } from '../machine/lineage.ts'
import { readTemplate, TEMPLATE_FILES, type Template } from '../template/template.ts'
import { checksumOf } from './checksum.ts'
import { type Hold, Holds } from './holds.ts'
import { layerOf, readSeal, sealOf, stampOf, writeSeal } from './layer-seal.ts'
import { linkOrCopy } from './link-file.ts'
import { canReflink } from './reflink.ts'
import { sync } from './sync-files.ts'

/** `template` is null for machines that were booted: they have no memory to begin with. */
export type Base = { key: string; rootfs: string; template: Template | null }
export type TemplateBase = Base & { template: Template }

/** What a machine or a snapshot needs. */
type Needs = Pick<Lineage, 'base' | 'layers'>
/** Keeps files until it is released. */
export type LayerHold = { change(needs: Needs): void; release(): void }

const ROOTFS = 'rootfs.raw'
const GOING = '.going'
const layerFile = (id: string): string => `layers/${id}.qcow2`
const baseDirectory = (key: string): string => `bases/${key}`
const namesOf = ({ base, layers }: Needs): string[] => [baseDirectory(base), ...layers.map(layerFile)]
const isOfTemplate = (base: Base): base is TemplateBase => base.template !== null

/** No template has a name that begins so. */
const IMAGE_PREFIX = '_image-'
/** Whether the base of this name has a memory and a disk of its own, over the image's. */
export const hasTemplate = (key: string): boolean => !key.startsWith(IMAGE_PREFIX)

export class LayerStore {
  readonly reflinks: boolean
  readonly #directory: string
  readonly #image: GuestImage
  readonly #log: Log
  readonly #holds: Holds
  readonly #making = new Map<string, Promise<void>>()
  readonly #synced = new Set<string>()
  /** When a layer was found to be intact, as its stamp. */
  readonly #intact = new Map<string, string>()

  private constructor(directory: string, image: GuestImage, reflinks: boolean, log: Log) {
    this.#directory = directory
    this.#image = image
    this.reflinks = reflinks
    this.#log = log
    this.#holds = new Holds((name) => this.#remove(name))
    // Of this image there is always need, and it costs no room of its own.
    this.#holds.hold(Object.keys(image.roots).map((root) => baseDirectory(this.imageKey(root))))
  }

  static async open(stateDir: string, image: GuestImage, log: Log): Promise<LayerStore> {
    for (const name of ['bases', 'layers']) await mkdir(join(stateDir, name), { recursive: true, mode: 0o700 })
    return new LayerStore(stateDir, image, await canReflink(join(stateDir, 'layers')), log)
  }

  newLayerId(): string {
    return `l-${randomBytes(12).toString('hex')}`
  }

  layerPath(id: string): string {
    return join(this.#directory, layerFile(id))
  }

  hold(needs: Needs): LayerHold {
    const hold: Hold = this.#holds.hold(namesOf(needs))
    return { change: (needs) => hold.change(namesOf(needs)), release: hold.release }
  }

  /** The base of machines that go on from a template; its key must be held. Throws when there is no such template any more. */
  async ofTemplate(key: string, templateDirectory: string, root: string): Promise<TemplateBase> {
    await this.#ensure(key, async (unfinished) => {
      await this.#ofImage(root)
      await linkOrCopy(join(this.#directory, baseDirectory(this.imageKey(root)), ROOTFS), join(unfinished, ROOTFS))
      for (const file of Object.values(TEMPLATE_FILES))
        await linkOrCopy(join(templateDirectory, file), join(unfinished, file))
    })
    const base = await this.#read(key)
    if (!isOfTemplate(base))
      throw new AppError('internal', 'A template vanished while it was taken up.', { detail: key })
    return base
  }

  /** The base of machines that are booted from this root of the image. */
  async ofImage(root: string): Promise<Base> {
    await this.#ofImage(root)
    return this.#read(this.imageKey(root))
  }

  /** How many machines, snapshots and others here need the base of this name. */
  holdersOf(key: string): number {
    return this.#holds.count(baseDirectory(key))
  }

  /** Whether another daemon has given the files of this template names of its own, as machines that go on from it need them. */
  async isTakenUpElsewhere(key: string, templateDirectory: string): Promise<boolean> {
    const own = join(this.#directory, baseDirectory(key))
    const memoryIn = (directory: string) => stat(join(directory, TEMPLATE_FILES.memory)).catch(() => null)
    const [theirs, ours] = await Promise.all([memoryIn(templateDirectory), memoryIn(own)])
    if (theirs === null) return false
    const isOneFile = ours !== null && ours.ino === theirs.ino && ours.dev === theirs.dev
    return theirs.nlink > (isOneFile ? 2 : 1)
  }

  hasRoot(root: string): boolean {
    return Object.hasOwn(this.#image.roots, root)
  }

  imageKey(root: string): string {
    return `${IMAGE_PREFIX}${this.#image.id}${root === DEFAULT_ROOT ? '' : `-${root}`}`
  }

  /** The base of this name, or null when there is none, or another one than it was. */
  async find(key: string, identity: string): Promise<Base | null> {
    return (await this.identityOf(key)) === identity ? this.#read(key) : null
  }

  /** What tells a base from another one that was made under the same name: templates that are made again have other memory. */
  async identityOf(key: string): Promise<string | null> {
    const at = join(this.#directory, baseDirectory(key))
    const looks = [TEMPLATE_FILES.memory, ROOTFS].map((file) =>
      stat(join(at, file), { bigint: true }).catch(() => null),
    )
    const [memory, rootfs] = await Promise.all(looks)
    return rootfs == null ? null : [memory, rootfs].map((file) => `${file?.size}@${file?.mtimeNs}`).join('+')
  }

  /** Makes sure that a base survives a power failure. It is done once. */
  async syncBase(key: string): Promise<void> {
    if (this.#synced.has(key)) return
    const at = join(this.#directory, baseDirectory(key))
    await sync(...(await readdir(at)).map((file) => join(at, file)), at, join(this.#directory, 'bases'))
    this.#synced.add(key)
  }

  /** Makes sure that a layer does, and that damage to it will be found. It is done once. */
  async seal(id: string): Promise<void> {
    const path = this.layerPath(id)
    if (this.#intact.has(id) || (await readSeal(path)) !== null) return
    await sync(path)
    await writeSeal(path)
    await sync(join(this.#directory, 'layers'))
    this.#intact.set(id, await stampOf(path))
  }

  /** Whether a sealed layer is what it was. It is read once, and then again only when the file system says that it has changed. */
  async isIntact(id: string): Promise<boolean> {
    const path = this.layerPath(id)
    const stamp = await stampOf(path).catch(() => null)
    if (stamp === null) return false
    if (this.#intact.get(id) === stamp) return true
    const seal = await readSeal(path)
    if (seal === null || (await checksumOf(path)) !== seal) return false
    this.#intact.set(id, stamp)
    return true
  }

  /** Removes what nobody holds. Call it once, when all machines and snapshots that were found hold what they need. */
  async sweep(): Promise<void> {
    for (const kind of ['bases', 'layers'])
      for (const entry of await readdir(join(this.#directory, kind)))
        if (!this.#holds.isHeld(`${kind}/${layerOf(entry)}`)) await this.#discard(join(this.#directory, kind, entry))
  }

  async #ofImage(root: string): Promise<void> {
    const file = this.#image.roots[root]
    if (file === undefined) throw new AppError('template_not_found', `The image of this host has no root "${root}".`)
    await this.#ensure(this.imageKey(root), (unfinished) => linkOrCopy(file, join(unfinished, ROOTFS)))
  }

  /** The directory of a base stands whole under its name or not at all. */
  async #ensure(key: string, fill: (unfinished: string) => Promise<void>): Promise<void> {
    const final = join(this.#directory, baseDirectory(key))
    const make = async (): Promise<void> => {
      if ((await this.identityOf(key)) !== null) return
      const unfinished = `${final}.${randomBytes(4).toString('hex')}${GOING}`
      await mkdir(unfinished, { mode: 0o700 })
      try {
        await fill(unfinished)
        await rename(unfinished, final)
      } catch (error) {
        await rm(unfinished, { recursive: true, force: true })
        throw error
      }
    }
    const making = this.#making.get(key) ?? make()
    this.#making.set(key, making)
    await making.finally(() => this.#making.delete(key))
  }

  async #read(key: string): Promise<Base> {
    const at = join(this.#directory, baseDirectory(key))
    return { key, rootfs: join(at, ROOTFS), template: await readTemplate(at) }
  }

  /** Out of sight at once, so that whoever wants it again from now on makes it anew. */
  #remove(name: string): void {
    const path = join(this.#directory, name)
    const away = join(
      this.#directory,
      name.split('/')[0] ?? '',
      `${basename(name)}.${randomBytes(4).toString('hex')}${GOING}`,
    )
    try {
      renameSync(path, away)
    } catch {
      // It was never made.
      return
    }
    this.#synced.delete(basename(name))
    this.#intact.delete(basename(name, '.qcow2'))
    rmSync(sealOf(path), { force: true })
    this.#discard(away).catch((error) => this.#log('cleanup-failed', describe(error)))
  }

  #discard(path: string): Promise<void> {
    return rm(path, { recursive: true, force: true })
  }
}
