/**
 * The image that machines boot from: a kernel, an initramfs with the agent, and a root file system, under the id of its content.
 *
 *   <cacheDir>/root-<id>/   default.ext4, ..., vmlinuz, modules/   minutes; when the packages or the set-up change
 *   <cacheDir>/<id>/        image.json, roots, kernel, initramfs   seconds; when the agent changes
 *
 * Each is made in a directory of its own and renamed when it is whole, so what has the right name is right. Run as a
 * program, `node infra/image/build.ts [cacheDir] [mirror]`, it prints the image's directory.
 */
import { existsSync } from 'node:fs'
import { chmod, link, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { tryLockFile } from '../../origin/hostd/file-lock.ts'
import { IMAGE_MANIFEST, markImageUsed } from '../../origin/hostd/image.ts'
import { LIMITS } from '../../shared/limits.ts'
import { buildInitramfs } from './build-initramfs.ts'
import { buildRoots, ROOT_NAMES, rootFile } from './build-root.ts'
import { markRootUsed, PART_PREFIX, ROOT_PREFIX, removeUnusedImages } from './collect.ts'
import { DEFAULT_MIRROR, imageId, rootId } from './recipe.ts'

export type BuildImageOptions = {
  cacheDir: string
  log: (line: string) => void
  signal?: AbortSignal
  /** Where Debian's packages come from; `<mirror>-security` has the security updates. */
  mirror?: string
}

/** What `image.json` says; the files are named relative to it. */
export type ImageManifest = { id: string; kernel: string; initramfs: string; roots: Record<string, string> }

/** The directory of the image, built if it is not there. Needs root and IMAGE_PACKAGES only when something is to be built. */
export async function buildImage(options: BuildImageOptions): Promise<string> {
  const cacheDir = resolve(options.cacheDir)
  const image = join(cacheDir, imageId())
  if (existsSync(image)) {
    await markImageUsed(image, Date.now())
    return image
  }

  if (process.getuid?.() !== 0) throw new Error('Building the guest image needs root: run this with sudo.')
  await mkdir(cacheDir, { recursive: true })
  await using _lock = await takeTurn(join(cacheDir, '.lock'), options)
  await removeLeftovers(cacheDir)
  const root = join(cacheDir, `${ROOT_PREFIX}${rootId()}`)
  await make(root, (dir) => buildRoots(dir, { mirror: DEFAULT_MIRROR, ...options }))
  await markRootUsed(root, Date.now())
  await make(image, (dir) => assemble(dir, root, { ...options, cacheDir }))
  for (const unused of await removeUnusedImages(cacheDir, [basename(root), imageId()], Date.now()))
    options.log(`Removed ${unused}, which nobody has used for long.`)
  return image
}

/** One builder at a time in a cache directory. */
async function takeTurn(path: string, { log, signal }: BuildImageOptions): Promise<AsyncDisposable> {
  const atOnce = await tryLockFile(path, 0, signal)
  if (atOnce !== null) return atOnce
  log('Another process is building the image; waiting for it ...')
  const inTurn = await tryLockFile(path, LIMITS.imageBuildWaitMs, signal)
  if (inTurn === null) throw new Error('Another process has been building the image for too long; see what it does.')
  return inTurn
}

/** The root's files are linked, not copied: nobody writes to them. */
async function assemble(dir: string, root: string, options: BuildImageOptions): Promise<void> {
  options.log('Building the guest agent ...')
  await link(join(root, 'vmlinuz'), join(dir, 'vmlinuz'))
  for (const file of ROOT_NAMES.map(rootFile)) await link(join(root, file), join(dir, file))
  const goCache = join(options.cacheDir, '.go-cache')
  await buildInitramfs(dir, { modules: join(root, 'modules'), goCache, signal: options.signal })
  const manifest: ImageManifest = {
    id: imageId(),
    kernel: 'vmlinuz',
    initramfs: 'initramfs.cpio',
    roots: Object.fromEntries(ROOT_NAMES.map((name) => [name, rootFile(name)])),
  }
  await writeFile(join(dir, IMAGE_MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`)
}

async function make(target: string, build: (dir: string) => Promise<void>): Promise<void> {
  if (existsSync(target)) return
  const dir = await mkdtemp(join(target, `../${PART_PREFIX}`))
  try {
    await build(dir)
    await chmod(dir, 0o755)
    await rename(dir, target)
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
}

/** Whoever holds the lock is the only builder, so any part that is there was left by one that was killed. */
async function removeLeftovers(cacheDir: string): Promise<void> {
  const parts = (await readdir(cacheDir)).filter((name) => name.startsWith(PART_PREFIX))
  for (const part of parts) await rm(join(cacheDir, part), { recursive: true, force: true })
}

if (import.meta.main) {
  const [cacheDir = '.atoll/cache/images', mirror = DEFAULT_MIRROR] = process.argv.slice(2)
  const stop = new AbortController()
  process.once('SIGINT', () => stop.abort()).once('SIGTERM', () => stop.abort())
  const log = (line: string) => process.stderr.write(`${line}\n`)
  try {
    process.stdout.write(`${await buildImage({ cacheDir, mirror, log, signal: stop.signal })}\n`)
  } catch (failure) {
    log(stop.signal.aborted ? 'Stopped.' : String(failure))
    process.exitCode = 1
  }
}
