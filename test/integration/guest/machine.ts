/** One real machine for the tests of the guest: the image, booted by QEMU under emulation, with its two ports. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buildImage } from '../../../infra/image/build.ts'
import { type GuestSession, openGuestSession } from '../../../origin/hostd/guest/session.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { UNWATCHED } from './unwatched.ts'

export type Machine = {
  dataPath: string
  controlPath: string
  /** False once the kernel has panicked or QEMU has ended. */
  isUp(): boolean
  /** What the kernel and the agent printed. */
  console(): string
  /** A new session; the one before ends. */
  open(options?: { keepsCommands: boolean }): Promise<GuestSession>
  stop(): Promise<void>
}

const DISK = '10G'
const MEMORY = '512M'

/** Boots the image of `npm test`, or the one of the default cache when a single file is run. */
export async function bootMachine(): Promise<Machine> {
  const image =
    process.env.ATOLL_IMAGE_DIR ??
    (await buildImage({ cacheDir: '.atoll/cache/images', log: (line) => process.stderr.write(`${line}\n`) }))
  const dir = mkdtempSync(join(tmpdir(), 'atoll-guest-'))
  const at = (name: string): string => join(dir, name)
  const backing = ['-F', 'raw', '-b', join(image, 'default.ext4')]
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', ...backing, at('disk.qcow2'), DISK])

  const qemu = spawn('qemu-system-x86_64', machineArguments(image, at), { stdio: ['ignore', 'inherit', 'inherit'] })
  const machine: Machine = {
    dataPath: at('data'),
    controlPath: at('control'),
    isUp: () => qemu.exitCode === null && qemu.signalCode === null,
    console: () => readFileSync(at('console'), 'utf8'),
    open: (options) =>
      openGuestSession({
        ...UNWATCHED,
        ...options,
        dataPath: at('data'),
        controlPath: at('control'),
        signal: AbortSignal.timeout(LIMITS.bootTimeoutMs),
      }),
    stop: () => stop(qemu, dir),
  }
  process.once('exit', () => qemu.kill('SIGKILL'))
  await portsExist(machine)
  return machine
}

function machineArguments(image: string, at: (name: string) => string): string[] {
  const port = (name: string): string[] => [
    ...['-chardev', `socket,id=${name},path=${at(name)},server=on,wait=off`],
    ...['-device', `virtserialport,chardev=${name},name=atoll.${name}`],
  ]
  return [
    ...['-M', 'microvm,acpi=on,rtc=on,memory-backend=ram', '-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', MEMORY],
    ...['-object', `memory-backend-ram,id=ram,size=${MEMORY}`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', `file:${at('console')}`],
    ...['-kernel', join(image, 'vmlinuz'), '-initrd', join(image, 'initramfs.cpio')],
    ...['-append', `console=ttyS0 quiet panic=-1 tsc_early_khz=${hostTscKhz()}`],
    ...['-drive', `id=root,if=none,format=qcow2,file=${at('disk.qcow2')}`, '-device', 'virtio-blk-device,drive=root'],
    ...['-device', 'virtio-serial-device', ...port('data'), ...port('control')],
  ]
}

/** A kernel that has to measure an emulated clock hangs now and then; it is told instead. */
function hostTscKhz(): number {
  const mhz = /^cpu MHz\s*: ([\d.]+)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]
  return Math.round(Number(mhz ?? '2500') * 1000)
}

/** QEMU makes its sockets before it runs the machine, within milliseconds. */
async function portsExist(machine: Machine): Promise<void> {
  while (machine.isUp()) {
    try {
      execFileSync('test', ['-S', machine.controlPath])
      return
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  throw new Error('QEMU ended before it had made its ports.')
}

async function stop(qemu: ChildProcess, dir: string): Promise<void> {
  if (qemu.exitCode === null && qemu.signalCode === null) {
    qemu.kill('SIGKILL')
    await once(qemu, 'exit')
  }
  rmSync(dir, { recursive: true, force: true })
}
