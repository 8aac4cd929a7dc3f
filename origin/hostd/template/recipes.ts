/** The templates a host can make by itself, as data: what is run inside a freshly booted machine before it is frozen. */
import type { CodeLanguage } from '../../../shared/contracts/code-fields.ts'
import type { GuestWarmUp } from '../../../shared/contracts/guest-code.ts'
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
  /** What the default context of a language has imported, also after a restart, and in a machine that had to be booted. */
  imports: GuestWarmUp[]
  /** What makes the interpreters quick that wait in a machine of the template. */
  interpreters: GuestWarmUp[]
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

const code = (language: CodeLanguage, text: string): GuestWarmUp => ({
  code: text,
  language,
  timeout_ms: LIMITS.bootTimeoutMs,
})

/** Python takes a second to start under emulation and 9 MiB that all clones share; Node four and 45, so it waits to be wanted. */
const python = [code('python', 'print(1)'), code('python', '1 + 1')]
const javascript = [code('javascript', 'console.log(1)'), code('javascript', '1 + 1')]

const shellOfAll = [command('echo $((1+1))'), command('true')]

/** Under the names by which everybody calls them. */
const dataImports = [
  {
    ...code(
      'python',
      'import matplotlib, numpy, pandas, scipy, scipy.optimize, scipy.stats\nimport matplotlib.pyplot as plt, numpy as np, pandas as pd',
    ),
    is_prelude: true,
  },
]
/** What they do at their first use, such as finding fonts. */
const dataScience = [
  code('python', 'display(pd.DataFrame({"a": np.arange(3.0)}).describe())'),
  code('python', 'plt.plot([1, 2])\nplt.title("a")'),
]
const packageManager = command('npm --version; npx --version')

export const RECIPES: Record<string, Recipe> = {
  default: {
    revision: 3,
    root: DEFAULT_ROOT,
    diskMibMin: LIMITS.diskMibMin,
    warmUp: [everydayPrograms, ...shellOfAll],
    imports: [],
    interpreters: python,
  },
  node: {
    revision: 2,
    root: DEFAULT_ROOT,
    diskMibMin: LIMITS.diskMibMin,
    warmUp: [everydayPrograms, packageManager, ...shellOfAll],
    imports: [],
    interpreters: javascript,
  },
  'python-datasci': {
    revision: 2,
    root: 'python-datasci',
    diskMibMin: 3_072,
    warmUp: [everydayPrograms, ...shellOfAll],
    imports: dataImports,
    interpreters: [...dataScience, ...python],
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
const PRIMING_CALLS = 2
export const PRIMING: HostExec[] = Array.from({ length: PRIMING_COMMANDS }, () => command('echo $((1+1))'))

/** The same of the interpreters that wait in it: their last calls, which want nothing but themselves. */
export const primingCode = ({ interpreters }: Recipe): GuestWarmUp[] => {
  const last = interpreters.slice(-PRIMING_CALLS)
  return [...last, ...last]
}
