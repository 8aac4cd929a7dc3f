/**
 * The one place that knows how a machine looks to QEMU: its devices, its memory, what it may do on the host.
 *
 * A saved device state fits only a machine of exactly this shape, so whatever changes here must raise MACHINE_REVISION.
 * There is no network card: everything a guest hears and says goes through its two serial ports.
 *
 * There is no balloon either. QEMU gives back what a guest has freed by punching holes into the file beneath, also where that is mapped
 * privately (`ram_block_discard_range`; seen with 7.2: a clone that freed 100 MiB left its template's file without 158), and all
 * other clones would read zeros; a file that is opened for reading only is refused there. Memory that belongs to one machine alone
 * could be given back, but every machine of a template must have the same devices, and nearly all are clones.
 */
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine } from '../../../shared/machines.ts'
import { FIRST_NODE } from '../machine/lineage.ts'

export const MACHINE_REVISION = 3

export type Accel = 'kvm' | 'tcg'

/**
 * Where the guest's memory is:
 * `anonymous` belongs to this machine alone, `recorded` is written through to a file that will be a template, and
 * `cloned` is a private view of such a file: pages are shared until the guest writes them.
 */
export type Memory = { kind: 'anonymous' } | { kind: 'recorded'; path: string } | { kind: 'cloned'; path: string }

/** A kernel to boot, or a device state that will be sent to the socket `incoming`. */
export type Beginning =
  /** `tscKhz` only where the machine is emulated. */
  { kind: 'boot'; kernel: string; initramfs: string; tscKhz: number | null } | { kind: 'restore'; incomingPath: string }

export type MachinePlan = {
  name: string
  /** Where it works: once it is another user it may get to its own files only from there. */
  directory: string
  machine: Machine
  accel: Accel
  memory: Memory
  beginning: Beginning
  /** The root disk, from the lowest layer up: a raw image, qcow2 layers over it; only the last one is written. */
  disk: { image: string; layers: string[]; overlay: string }
  sockets: { qmp: string; data: string; control: string }
  /** Whom the process becomes once its files are open; null leaves it as it was started. */
  owner: { uid: number; gid: number } | null
}

export function commandLine(plan: MachinePlan): string[] {
  return [
    // `process=` shows the name in ps; the whole command line is how a restarted daemon finds its machines again.
    ...['-name', `${plan.name},process=${plan.name}`],
    ...['-nodefaults', '-no-user-config', '-display', 'none', '-S'],
    ...['-M', 'microvm,acpi=on,rtc=on,memory-backend=ram,suppress-vmdesc=on', ...accelArguments(plan.accel)],
    ...['-smp', String(plan.machine.vcpus), '-m', `${plan.machine.memoryMib}M`],
    ...['-object', memoryObject(plan.memory, plan.machine.memoryMib)],
    ...diskArguments(plan.disk),
    ...portArguments(plan.sockets),
    // A guest that resets, powers off or panics stands still, so that its last words can be read before it is reaped.
    ...['-action', 'reboot=shutdown,shutdown=pause', '-qmp', `unix:${plan.sockets.qmp},server=on,wait=off`],
    ...beginningArguments(plan.beginning),
    ...confinementArguments(plan.owner),
  ]
}

function accelArguments(accel: Accel): string[] {
  if (accel === 'kvm') return ['-accel', 'kvm', '-cpu', 'host']
  // A fifth level of page tables is one more look-up for every miss of an emulated TLB, and no guest is large enough for it.
  return ['-accel', 'tcg,thread=multi,tb-size=128', '-cpu', 'max,la57=off']
}

function memoryObject(memory: Memory, memoryMib: number): string {
  const size = `id=ram,size=${memoryMib}M`
  switch (memory.kind) {
    case 'anonymous':
      return `memory-backend-ram,${size}`
    case 'recorded':
      return `memory-backend-file,${size},mem-path=${memory.path},share=on`
    case 'cloned':
      return `memory-backend-file,${size},mem-path=${memory.path},share=off`
  }
}

/**
 * Every layer is named here, so nothing that a machine could write into its own overlay's header chooses a file.
 */
function diskArguments({ image, layers, overlay }: MachinePlan['disk']): string[] {
  const base = { driver: 'raw', 'node-name': 'layer0', 'read-only': true, file: { driver: 'file', filename: image } }
  const middle = layers.map((filename, index) => ({
    driver: 'qcow2',
    'node-name': `layer${index + 1}`,
    'read-only': true,
    backing: `layer${index}`,
    file: { driver: 'file', filename },
  }))
  const top = overlayNode(FIRST_NODE, overlay, `layer${layers.length}`)
  const nodes = [base, ...middle, top].flatMap((node) => ['-blockdev', JSON.stringify(node)])
  return [...nodes, '-device', `virtio-blk-device,drive=${FIRST_NODE}`]
}

/**
 * The layer that a machine writes. Without backing it is put on top of the one before when that becomes a snapshot.
 * It lives exactly as long as the process, so flushing it to the platter would protect nothing; a snapshot syncs what it keeps.
 */
export function overlayNode(name: string, filename: string, backing: string | null): Record<string, unknown> {
  const cache = { 'no-flush': true }
  return {
    driver: 'qcow2',
    'node-name': name,
    discard: 'unmap',
    'detect-zeroes': 'unmap',
    cache,
    backing,
    file: { driver: 'file', filename, discard: 'unmap', cache },
  }
}

/** `data` carries HTTP/2, `control` the line that begins a new session; the console is kept in a small ring in memory. */
function portArguments(sockets: MachinePlan['sockets']): string[] {
  return [
    ...['-device', 'virtio-serial-device'],
    ...['-chardev', `socket,id=data,path=${sockets.data},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=data,name=atoll.data'],
    ...['-chardev', `socket,id=control,path=${sockets.control},server=on,wait=off`],
    ...['-device', 'virtserialport,chardev=control,name=atoll.control'],
    ...['-chardev', `ringbuf,id=console,size=${LIMITS.guestConsoleBytesMax}`, '-serial', 'chardev:console'],
  ]
}

/** A panic restarts at once, and by a triple fault: this machine has no other means of a reset that QEMU would notice. */
const KERNEL_ARGUMENTS = ['console=ttyS0', 'quiet', 'panic=-1', 'reboot=t', 'random.trust_cpu=on']

/**
 * Emulated clocks are too coarse for the kernel to measure the TSC by: told its rate, no boot hangs.
 * QEMU keeps translated code by its virtual address, so that with randomised addresses every exec is translated anew:
 * without them /bin/true takes 6 ms instead of 28. Mitigations guard against a processor that speculates; this one does not.
 */
const emulatedArguments = (tscKhz: number): string[] => [`tsc_early_khz=${tscKhz}`, 'norandmaps', 'mitigations=off']

function beginningArguments(beginning: Beginning): string[] {
  // A device state that was saved by itself has no section about the machine's configuration in front.
  if (beginning.kind === 'restore')
    return ['-incoming', `unix:${beginning.incomingPath}`, '-global', 'migration.send-configuration=off']
  const { kernel, initramfs, tscKhz } = beginning
  const line = [...KERNEL_ARGUMENTS, ...(tscKhz === null ? [] : emulatedArguments(tscKhz))].join(' ')
  return ['-kernel', kernel, '-initrd', initramfs, '-append', line]
}

/**
 * Files are opened by whoever starts QEMU; after that it is nobody's user, without a capability, and may not start a program.
 * The filter cannot forbid setuid while QEMU itself must still use it once; a process without capabilities cannot use it either.
 */
function confinementArguments(owner: MachinePlan['owner']): string[] {
  const elevate = owner === null ? 'deny' : 'allow'
  const sandbox = `on,obsolete=deny,elevateprivileges=${elevate},spawn=deny,resourcecontrol=deny`
  return ['-sandbox', sandbox, ...(owner === null ? [] : ['-runas', `${owner.uid}:${owner.gid}`])]
}
