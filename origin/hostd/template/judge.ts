/** What a daemon knows of the templates on the shelf that it shares with others: which are of its own surroundings, and which are needed. */
import { join } from 'node:path'
import { type Kind, poolKey } from '../pool/targets.ts'
import type { LayerStore } from '../snapshot/layer-store.ts'
import { type Surroundings, templateKey } from './key.ts'
import { RECIPES, recipeOf } from './recipes.ts'
import type { Judge } from './survey.ts'
import type { Manifest } from './template.ts'

type Ground = {
  directory: string
  around: Surroundings
  layers: LayerStore
  /** Of these there is need whether or not anybody asks for them. */
  pooled: readonly Kind[]
  /** Whether this daemon holds it only to have it at hand. */
  isReady: (key: string) => boolean
}

/** Whether more than readiness holds it here: a machine, one that waits in the pool, a snapshot, or a template of a user's own. */
export const isInUse = ({ layers, isReady }: Pick<Ground, 'layers' | 'isReady'>, key: string): boolean =>
  layers.holdersOf(key) > (isReady(key) ? 1 : 0)

export function judgeOf(ground: Ground): Judge {
  const { directory, around, layers, pooled } = ground
  const wanted = new Set(pooled.map(poolKey))
  const isPresent = (key: string, { name, machine }: Manifest): boolean =>
    Object.hasOwn(RECIPES, name) && templateKey(around, name, recipeOf(name).revision, machine) === key
  const isPooled = ({ name, machine }: Manifest): boolean => wanted.has(poolKey({ template: name, machine }))
  return {
    isPresent,
    isNeeded: async (key, manifest) =>
      (isPresent(key, manifest) && isPooled(manifest)) ||
      isInUse(ground, key) ||
      (await layers.isTakenUpElsewhere(key, join(directory, key))),
  }
}
