/** The templates a host can make by itself, as data: what is run inside a freshly booted machine before it is frozen. */
import type { HostExec } from '../../../shared/contracts/host.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { DEFAULT_ROOT } from '../image.ts'

/** Raise `revision` when the meaning of the steps changes, so that templates made before are not used any more. */
export type Recipe = {
  revision: number
  /** Of the image: the file system that its machines boot from. */
  root: string
  /** That file system must fit. */
  diskMibMin: number
  warmUp: HostExec[]
}

const command = (line: string): HostExec => ({
  argv: ['/bin/bash', '-c', line],
  cwd: '/workspace',
  env: {},
  user: 'sandbox',
  timeout_ms: LIMITS.execTimeoutSecDefault * 1_000,
  output_bytes_max: LIMITS.frameBytesMax,
})

/** What a first command is likely to touch is read once here, so that it is in the memory every clone shares. */
const everydayPrograms = command(
  'echo warm | cat; ls / >/dev/null; python3 -c "import json, os, sys"; node --version; git --version',
)

const shellOfAll = [command('echo $((1+1))'), command('true')]

/** What a first script is likely to import: read once, and compiled once. */
const dataScience = command('python3 -c "import numpy, pandas, scipy.stats, scipy.optimize, matplotlib.pyplot"')
const packageManager = command('npm --version; npx --version')

export const RECIPES: Record<string, Recipe> = {
  default: {
    revision: 2,
    root: DEFAULT_ROOT,
    diskMibMin: LIMITS.diskMibMin,
    warmUp: [everydayPrograms, ...shellOfAll],
  },
  node: {
    revision: 1,
    root: DEFAULT_ROOT,
    diskMibMin: LIMITS.diskMibMin,
    warmUp: [everydayPrograms, packageManager, ...shellOfAll],
  },
  'python-datasci': {
    revision: 1,
    root: 'python-datasci',
    diskMibMin: 3_072,
    warmUp: [everydayPrograms, dataScience, ...shellOfAll],
  },
}

/** Throws AppError('template_not_found'). */
export function recipeOf(name: string): Recipe {
  const recipe = Object.hasOwn(RECIPES, name) ? RECIPES[name] : undefined
  if (recipe !== undefined) return recipe
  const known = Object.keys(RECIPES)
  throw new AppError('template_not_found', `There is no template "${name}".`, { details: { templates: known } })
}

/**
 * Run in every clone before it joins the pool: under emulation, translated code is private to each process and must be made
 * again. The first command takes 180 ms of CPU, the third 18, the sixth 15; after that there is little left to win.
 */
const PRIMING_COMMANDS = 6
export const PRIMING: HostExec[] = Array.from({ length: PRIMING_COMMANDS }, () => command('echo $((1+1))'))
