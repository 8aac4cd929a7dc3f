/** The quick half of an image: the agent, compiled, as /init of an initramfs that also holds the drivers. */
import { chmod, cp, mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { GUEST_SOURCES } from './recipe.ts'
import { runTool } from './run-tool.ts'

export type InitramfsOptions = { modules: string; goCache: string; signal?: AbortSignal | undefined }

/** Leaves `initramfs.cpio` in `dir`. It is not compressed: unpacking would cost more under emulation than reading. */
export async function buildInitramfs(dir: string, { modules, goCache, signal }: InitramfsOptions): Promise<void> {
  const tree = join(dir, 'initramfs')
  await mkdir(tree)
  await compileAgent(join(tree, 'init'), goCache, signal)
  await cp(modules, join(tree, 'modules'), { recursive: true })
  await runTool(['sh', '-c', 'find . | LC_ALL=C sort | cpio --quiet --create --format=newc > ../initramfs.cpio'], {
    cwd: tree,
    signal,
  })
  await chmod(join(dir, 'initramfs.cpio'), 0o444)
  await rm(tree, { recursive: true })
}

/** Debian's Go with Debian's libraries: nothing is fetched. Static, because any root file system may stand beside it. */
async function compileAgent(target: string, goCache: string, signal?: AbortSignal): Promise<void> {
  await runTool(['go', 'build', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w', '-o', target, '.'], {
    cwd: GUEST_SOURCES,
    env: { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', CGO_ENABLED: '0', GOCACHE: goCache, GOFLAGS: '' },
    signal,
  })
}
