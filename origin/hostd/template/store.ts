/**
 * The templates of this machine: each is made once, by whichever daemon needs it first, and never changes afterwards.
 * Whoever makes one also removes those that nobody has used for days, and when there are as many as there may be, one that nothing needs.
 *
 *   <templates>/<key>/                 a finished template
 *   <templates>/<key>.building-<pid>/  one being made; left behind only by a crash, and removed by the next who makes one
 */
import { existsSync } from 'node:fs'
import { mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { machineKey, type Machine as Shape } from '../../../shared/machines.ts'
import { lockFile } from '../file-lock.ts'
import { describe, type Log } from '../log.ts'
import type { Site } from '../machine/start.ts'
import type { Kind } from '../pool/targets.ts'
import type { LayerHold, TemplateBase } from '../snapshot/layer-store.ts'
import { buildTemplate } from './build.ts'
import { lockOf, makeRoom, markUsed, removeUnfinished, removeUnused } from './collect.ts'
import { isInUse, judgeOf } from './judge.ts'
import { type Surroundings, templateKey } from './key.ts'
import { RECIPES, type Recipe, recipeOf } from './recipes.ts'
import { type Judge, surveyRoom } from './survey.ts'
import { TEMPLATE_FILES } from './template.ts'

export class TemplateStore {
  readonly #directory: string
  readonly #site: Site
  readonly #around: Surroundings
  readonly #judge: Judge
  readonly #log: Log
  /** What clones go on from, held as long as it is in use here. */
  readonly #ready = new Map<string, { base: TemplateBase; hold: LayerHold; usedAtMs: number }>()
  readonly #making = new Map<string, Promise<TemplateBase>>()
  #isOpen = true

  /** Of the kinds that are `pooled` there is need whether or not anybody asks for them. */
  constructor(directory: string, site: Site, around: Surroundings, pooled: readonly Kind[], log: Log) {
    this.#directory = directory
    this.#site = site
    this.#around = around
    this.#log = log
    this.#judge = judgeOf({ directory, around, pooled, layers: site.layers, isReady: (key) => this.#ready.has(key) })
  }

  /** The template if it is there already. Throws AppError('template_not_found') for a name nobody knows. */
  async find(name: string, shape: Shape): Promise<TemplateBase | null> {
    const key = templateKey(this.#around, name, recipeOf(name).revision, shape)
    const ready = this.#ready.get(key)
    if (ready !== undefined) ready.usedAtMs = Date.now()
    const found = ready?.base ?? (await this.#takeUp(key, recipeOf(name).root))
    if (found !== null) await markUsed(join(this.#directory, key), Date.now())
    return found
  }

  /** The template, made now if need be; whoever asks meanwhile waits for the same one. */
  async ensure(name: string, shape: Shape): Promise<TemplateBase> {
    const found = await this.find(name, shape)
    if (found !== null) return found
    const recipe = recipeOf(name)
    const key = templateKey(this.#around, name, recipe.revision, shape)
    if (!this.#isOpen) throw new AppError('draining', 'This host makes no more templates.')
    const making = this.#making.get(key) ?? this.#make(key, name, recipe, shape)
    this.#making.set(key, making)
    return making.finally(() => this.#making.delete(key))
  }

  /**
   * Makes the template when `turn` comes, for the next sandbox of this shape. Their number is bounded, because callers
   * choose their machines freely; while all of them are needed such machines go on being booted.
   */
  ensureLater(name: string, shape: Shape, turn: () => Promise<void>): void {
    const make = async (): Promise<void> => {
      await turn()
      const { hasRoom } = await surveyRoom(this.#directory, this.#judge, Date.now())
      if (this.#isOpen && hasRoom) await this.ensure(name, shape)
    }
    make().catch((error) => this.#log('template-failed', { name, machine: machineKey(shape), ...describe(error) }))
  }

  /** Lets go of those that nothing goes on from and nobody asked for lately, so that whoever makes room may remove them. */
  letGoRested(nowMs: number): void {
    const held = { layers: this.#site.layers, isReady: (key: string) => this.#ready.has(key) }
    for (const [key, { hold, usedAtMs }] of this.#ready) {
      if (nowMs - usedAtMs < LIMITS.templateRestMs || isInUse(held, key)) continue
      this.#ready.delete(key)
      hold.release()
    }
  }

  /** Makes no more; returns when those being made are done. */
  async close(): Promise<void> {
    this.#isOpen = false
    await Promise.allSettled(this.#making.values())
  }

  /** Throws AppError for a name that nobody knows, and for a disk in which its files do not fit. */
  refuseUnusable(name: string, { diskMib }: Shape): void {
    const { root, diskMibMin } = recipeOf(name)
    if (!this.#site.layers.hasRoot(root)) throw new AppError('template_not_found', `This host has no "${name}".`)
    if (diskMib < diskMibMin)
      throw new AppError('disk_too_small', `The template "${name}" needs a disk of ${diskMibMin} MiB or more.`)
  }

  names(): string[] {
    return Object.keys(RECIPES).filter((name) => this.#site.layers.hasRoot(recipeOf(name).root))
  }

  async #make(key: string, name: string, recipe: Recipe, shape: Shape): Promise<TemplateBase> {
    await using _lock = await lockFile(lockOf(this.#directory, key), LIMITS.templateLockMs)
    const final = join(this.#directory, key)
    const isFinished = existsSync(join(final, TEMPLATE_FILES.manifest))
    if (!isFinished) {
      const unfinished = `${final}.building-${process.pid}`
      await this.#takePlace(unfinished)
      this.#log('template-building', { key })
      try {
        await buildTemplate(this.#site, name, recipe, shape, unfinished)
        await rename(unfinished, final)
      } catch (error) {
        // It would take the place of another one until this daemon ends.
        await rm(unfinished, { recursive: true, force: true })
        throw error
      }
    }
    const base = await this.#takeUp(key, recipe.root)
    if (base === null) throw new AppError('internal', 'A template vanished while it was made.', { detail: key })
    this.#log('template-ready', { key, made: !isFinished })
    return base
  }

  /** A directory to make a template in. Two that do this at once would count the same room, and take the same one away. */
  async #takePlace(unfinished: string): Promise<void> {
    await using _lock = await lockFile(join(this.#directory, 'room.lock'), LIMITS.templateLockMs)
    await removeUnfinished(this.#directory)
    await removeUnused(this.#directory, Date.now())
    const gone = await makeRoom(this.#directory, this.#judge, Date.now())
    for (const key of gone) this.#log('template-removed', { key })
    this.#forgetRemoved()
    await rm(unfinished, { recursive: true, force: true })
    await mkdir(unfinished)
  }

  /** Gives a template's files names of our own, under which clones and snapshots go on having them when its collector takes it away. */
  async #takeUp(key: string, root: string): Promise<TemplateBase | null> {
    const directory = join(this.#directory, key)
    if (!existsSync(join(directory, TEMPLATE_FILES.manifest))) return null
    const hold = this.#site.layers.hold({ base: key, layers: [] })
    try {
      const base = await this.#site.layers.ofTemplate(key, directory, root)
      this.#ready.get(key)?.hold.release()
      this.#ready.set(key, { base, hold, usedAtMs: Date.now() })
      return base
    } catch (error) {
      hold.release()
      // It was taken away in this moment.
      if (!existsSync(directory)) return null
      throw error
    }
  }

  /** Lets go of those that went out of use; machines and snapshots that need one still keep it. */
  #forgetRemoved(): void {
    for (const [key, { hold }] of this.#ready) {
      if (existsSync(join(this.#directory, key))) continue
      this.#ready.delete(key)
      hold.release()
    }
  }
}
