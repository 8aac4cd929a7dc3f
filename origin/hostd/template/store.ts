/**
 * The templates of this machine: each is made once, by whichever daemon needs it first, and never changes afterwards.
 * Whoever makes one also removes those that nobody has used for days.
 *
 *   <templates>/<key>/                 a finished template
 *   <templates>/<key>.building-<pid>/  one being made; left behind only by a crash, and removed by the next who makes one
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { machineKey, type Machine as Shape } from '../../../shared/machines.ts'
import { lockFile } from '../file-lock.ts'
import { describe, type Log } from '../log.ts'
import type { Site } from '../machine/start.ts'
import { buildTemplate } from './build.ts'
import { markUsed, removeUnused } from './collect.ts'
import { type Surroundings, templateKey } from './key.ts'
import { RECIPES, type Recipe } from './recipes.ts'
import { readTemplate, type Template } from './template.ts'

export class TemplateStore {
  readonly #directory: string
  readonly #site: Site
  readonly #around: Surroundings
  readonly #log: Log
  readonly #ready = new Map<string, Template>()
  readonly #making = new Map<string, Promise<Template>>()
  #isOpen = true

  constructor(directory: string, site: Site, around: Surroundings, log: Log) {
    this.#directory = directory
    this.#site = site
    this.#around = around
    this.#log = log
  }

  /** The template if it is there already. Throws AppError('template_not_found') for a name nobody knows. */
  async find(name: string, shape: Shape): Promise<Template | null> {
    const key = templateKey(this.#around, name, recipeOf(name).revision, shape)
    const directory = join(this.#directory, key)
    const known = this.#ready.get(key)
    const found = known !== undefined && existsSync(known.memoryPath) ? known : await readTemplate(directory)
    if (found === null) return null
    this.#ready.set(key, found)
    await markUsed(directory, Date.now())
    return found
  }

  /** The template, made now if need be; whoever asks meanwhile waits for the same one. */
  async ensure(name: string, shape: Shape): Promise<Template> {
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
   * choose their machines freely; beyond it such machines go on being booted.
   */
  ensureLater(name: string, shape: Shape, turn: () => Promise<void>): void {
    const make = async (): Promise<void> => {
      await turn()
      if (this.#isOpen && (await this.#hasRoom())) await this.ensure(name, shape)
    }
    make().catch((error) => this.#log('template-failed', { name, machine: machineKey(shape), ...describe(error) }))
  }

  /** Makes no more; returns when those being made are done. */
  async close(): Promise<void> {
    this.#isOpen = false
    await Promise.allSettled(this.#making.values())
  }

  refuseUnknown(name: string): void {
    recipeOf(name)
  }

  names(): string[] {
    return Object.keys(RECIPES)
  }

  async #hasRoom(): Promise<boolean> {
    const entries = await readdir(this.#directory, { withFileTypes: true })
    return entries.filter((entry) => entry.isDirectory()).length < LIMITS.templatesPerHostMax
  }

  async #make(key: string, name: string, recipe: Recipe, shape: Shape): Promise<Template> {
    await using _lock = await lockFile(join(this.#directory, `${key}.lock`), LIMITS.templateLockMs)
    const final = join(this.#directory, key)
    const finished = await readTemplate(final)
    if (finished === null) {
      await this.#removeUnfinished()
      await removeUnused(this.#directory, Date.now())
      const unfinished = `${final}.building-${process.pid}`
      await rm(unfinished, { recursive: true, force: true })
      await mkdir(unfinished)
      this.#log('template-building', { key })
      await buildTemplate(this.#site, name, recipe, shape, unfinished)
      await rename(unfinished, final)
    }
    const template = await readTemplate(final)
    if (template === null) throw new AppError('internal', 'A template vanished while it was made.', { detail: key })
    this.#ready.set(key, template)
    this.#log('template-ready', { key, made: finished === null })
    return template
  }

  /** Those of daemons that are gone; whatever template they were for. */
  async #removeUnfinished(): Promise<void> {
    const entries = await readdir(this.#directory)
    const dead = entries.filter((entry) => {
      const pid = /\.building-(\d+)$/.exec(entry)?.[1]
      return pid !== undefined && !existsSync(`/proc/${pid}`)
    })
    await Promise.all(dead.map((entry) => rm(join(this.#directory, entry), { recursive: true, force: true })))
  }
}

function recipeOf(name: string): Recipe {
  const recipe = Object.hasOwn(RECIPES, name) ? RECIPES[name] : undefined
  if (recipe !== undefined) return recipe
  const known = Object.keys(RECIPES)
  throw new AppError('template_not_found', `There is no template "${name}".`, { details: { templates: known } })
}
