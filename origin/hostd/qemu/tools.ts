/** What is asked of QEMU's programs outside a running machine: which version they are, and an empty disk layer. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'

const run = promisify(execFile)

/** `7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)`: whole, because a distribution's patch may change what a saved state means. */
export async function qemuVersion(program: string): Promise<string> {
  try {
    const { stdout } = await run(program, ['--version'], { timeout: LIMITS.qmpTimeoutMs })
    const version = /version (.+)/.exec(stdout)?.[1]
    if (version !== undefined) return version
    throw new Error(`unexpected answer: ${stdout.slice(0, 200)}`)
  } catch (cause) {
    throw new AppError('boot_failed', 'QEMU is not usable on this host.', { detail: `${program} --version`, cause })
  }
}

/** A qcow2 file without content. It names no backing file: the command line of each machine does. */
export async function createEmptyLayer(path: string, diskMib: number): Promise<void> {
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', path, `${diskMib}M`], { timeout: LIMITS.qmpTimeoutMs })
}
