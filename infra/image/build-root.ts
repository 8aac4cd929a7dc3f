/** The slow half of an image: Debian's packages as ext4 file systems, and Debian's kernel beside them. */
import { chmod, copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { KERNEL_MODULES, KERNEL_PACKAGE, ROOT_PACKAGES, ROOTS, type RootName } from './packages.ts'
import { NODE_BINARY, NPM_PACKAGE, SET_UP_SCRIPT, SUITE } from './recipe.ts'
import { runTool } from './run-tool.ts'

const ROOT_UUID = 'a7011000-0000-4000-8000-000000000001'
/** A small journal: a machine that was cut off boots again from its disk, and a clone's overlay stays small. */
const JOURNAL_MIB = 16

export type RootOptions = { mirror: string; log: (line: string) => void; signal?: AbortSignal | undefined }

export const ROOT_NAMES = Object.keys(ROOTS) as RootName[]
export const rootFile = (name: RootName): string => `${name}.ext4`

/** Leaves a file system for each root, `vmlinuz` and `modules/` in `dir`, and nothing else. */
export async function buildRoots(dir: string, options: RootOptions): Promise<void> {
  const { mirror, log } = options
  log(`Installing Debian ${SUITE} from ${mirror}, for ${ROOT_NAMES.join(' and ')} ...`)
  // All of one moment, beside each other: downloading and unpacking take turns at being the slower one.
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, ...(options.signal === undefined ? [] : [options.signal])])
  const builds = ROOT_NAMES.map((name) => buildRoot(name, dir, { ...options, signal }))
  await Promise.all(builds).catch(async (failure) => {
    stop.abort()
    await Promise.allSettled(builds)
    throw failure
  })
}

/** The default one brings the kernel. */
async function buildRoot(name: RootName, dir: string, { mirror, log, signal }: RootOptions): Promise<void> {
  const tree = join(dir, `${name}.tree`)
  const kernelTree = join(dir, `${name}.kernel`)
  const rootfs = join(dir, rootFile(name))
  const scratch = join(dir, `${name}.tmp`)
  await mkdir(kernelTree)
  await mkdir(scratch)
  await runTool(installDebian(name, tree, mirror), {
    env: {
      // What it forgets when it is killed goes with the directory.
      TMPDIR: scratch,
      ATOLL_NODE: NODE_BINARY,
      ATOLL_NPM: NPM_PACKAGE,
      ATOLL_KERNEL_PACKAGE: KERNEL_PACKAGE,
      ATOLL_KERNEL_TREE: kernelTree,
    },
    signal,
  })
  log(`Making the file system of ${name} ...`)
  await runTool(makeFileSystem(tree, rootfs, ROOTS[name].mib), { signal })
  await chmod(rootfs, 0o444)
  if (name === 'default') await takeKernel(kernelTree, dir)

  for (const made of [tree, kernelTree, scratch]) await rm(made, { recursive: true })
}

/**
 * In namespaces of its own, so that killing it ends everything it started and leaves nothing mounted: what is left in the
 * directory is files, and may be removed as such.
 */
function installDebian(name: RootName, tree: string, mirror: string): string[] {
  const pathsLeftOut = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*']
  return [
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
    'mmdebstrap',
    '--mode=root',
    '--variant=apt',
    '--format=directory',
    `--include=${[...ROOT_PACKAGES, ...ROOTS[name].packages].join(',')}`,
    '--aptopt=APT::Install-Recommends "false"',
    ...pathsLeftOut.map((path) => `--dpkgopt=path-exclude=${path}`),
    '--dpkgopt=path-include=/usr/share/doc/*/copyright',
    `--customize-hook=${SET_UP_SCRIPT}`,
    SUITE,
    tree,
    `deb ${mirror} ${SUITE} main`,
    `deb ${mirror} ${SUITE}-updates main`,
    `deb ${mirror}-security ${SUITE}-security main`,
  ]
}

/** The same tree makes the same file system: a fixed id, no random hash seed, inode tables left to the kernel. */
function makeFileSystem(tree: string, rootfs: string, mib: number): string[] {
  const features = 'lazy_itable_init=1,lazy_journal_init=1,nodiscard'
  return [
    'mke2fs',
    ...['-q', '-t', 'ext4', '-b', '4096', '-m', '0', '-U', ROOT_UUID, '-J', `size=${JOURNAL_MIB}`],
    ...['-E', `${features},hash_seed=${ROOT_UUID}`, '-d', tree, rootfs, `${mib}M`],
  ]
}

/** Numbers the modules in the order in which they are to be loaded. */
async function takeKernel(kernelTree: string, dir: string): Promise<void> {
  const release = (await readdir(join(kernelTree, 'lib/modules')))[0]
  if (release === undefined) throw new Error(`The package ${KERNEL_PACKAGE} brought no kernel.`)
  await copyFile(join(kernelTree, 'boot', `vmlinuz-${release}`), join(dir, 'vmlinuz'))
  await chmod(join(dir, 'vmlinuz'), 0o444)

  const modulesDir = join(kernelTree, 'lib/modules', release, 'kernel')
  const files = await readdir(modulesDir, { recursive: true })
  await mkdir(join(dir, 'modules'))
  for (const [index, name] of KERNEL_MODULES.entries()) {
    const file = files.find((path) => path.endsWith(`/${name}.ko`))
    if (file === undefined) throw new Error(`The kernel ${release} has no module ${name}.`)
    await copyFile(join(modulesDir, file), join(dir, 'modules', `${index}-${name}.ko`))
  }
}
