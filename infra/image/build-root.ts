/** The slow half of an image: Debian's packages as an ext4 file system, and Debian's kernel beside it. */
import { chmod, copyFile, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { KERNEL_MODULES, KERNEL_PACKAGE, ROOT_PACKAGES } from './packages.ts'
import { NODE_BINARY, SET_UP_SCRIPT, SUITE } from './recipe.ts'
import { runTool } from './run-tool.ts'

/** Of the file system before it grows to its disk. The unused part is a hole. */
const ROOT_MIB = 1_024
const ROOT_UUID = 'a7011000-0000-4000-8000-000000000001'
/** A small journal: a machine that was cut off boots again from its disk, and a clone's overlay stays small. */
const JOURNAL_MIB = 16

export type RootOptions = { mirror: string; log: (line: string) => void; signal?: AbortSignal | undefined }

/** Leaves `rootfs.ext4`, `vmlinuz` and `modules/` in `dir`, and nothing else. */
export async function buildRoot(dir: string, { mirror, log, signal }: RootOptions): Promise<void> {
  const tree = join(dir, 'tree')
  const kernelTree = join(dir, 'kernel')
  const rootfs = join(dir, 'rootfs.ext4')
  await mkdir(kernelTree)

  log(`Installing Debian ${SUITE} (${ROOT_PACKAGES.length} packages and what they need) from ${mirror} ...`)
  await runTool(installDebian(tree, mirror), {
    env: { ATOLL_NODE: NODE_BINARY, ATOLL_KERNEL_PACKAGE: KERNEL_PACKAGE, ATOLL_KERNEL_TREE: kernelTree },
    signal,
  })
  log('Making the file system ...')
  await runTool(makeFileSystem(tree, rootfs), { signal })
  await chmod(rootfs, 0o444)
  await takeKernel(kernelTree, dir)

  await rm(tree, { recursive: true })
  await rm(kernelTree, { recursive: true })
}

/**
 * In namespaces of its own, so that killing it ends everything it started and leaves nothing mounted: what is left in the
 * directory is files, and may be removed as such.
 */
function installDebian(tree: string, mirror: string): string[] {
  const pathsLeftOut = ['/usr/share/man/*', '/usr/share/doc/*', '/usr/share/info/*', '/usr/share/locale/*']
  return [
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--'],
    'mmdebstrap',
    '--mode=root',
    '--variant=apt',
    '--format=directory',
    `--include=${ROOT_PACKAGES.join(',')}`,
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
function makeFileSystem(tree: string, rootfs: string): string[] {
  const features = 'lazy_itable_init=1,lazy_journal_init=1,nodiscard'
  return [
    'mke2fs',
    ...['-q', '-t', 'ext4', '-b', '4096', '-m', '0', '-U', ROOT_UUID, '-J', `size=${JOURNAL_MIB}`],
    ...['-E', `${features},hash_seed=${ROOT_UUID}`, '-d', tree, rootfs, `${ROOT_MIB}M`],
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
