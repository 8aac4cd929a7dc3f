/** The Debian packages of the image: those that build it on the host, and those that are inside. */

/** What `buildImage` calls on the host. The keyring lets a host that is not Debian check Debian's signatures. */
export const IMAGE_PACKAGES = [
  'mmdebstrap',
  'debian-archive-keyring',
  'e2fsprogs',
  'cpio',
  'golang-go',
  'golang-golang-x-net-dev',
  'golang-golang-x-sys-dev',
] as const

/** Inside, beside Debian's essential ones. `libnss-myhostname` lets the name that a machine gets on waking resolve to itself. */
export const ROOT_PACKAGES = [
  'bash',
  'bash-static',
  'ca-certificates',
  'coreutils',
  'curl',
  'e2fsprogs',
  'git',
  'iproute2',
  'less',
  'libnss-myhostname',
  'mount',
  'procps',
  'python3',
  'python3-venv',
  'sudo',
  'tzdata',
  'xz-utils',
] as const

/**
 * The root file systems of an image, by name: what each has beside ROOT_PACKAGES, and how large it is before it grows to its disk. The
 * unused part is a hole. The default one has the least disk that anybody may ask for.
 */
export const ROOTS = {
  default: { packages: [], mib: 1_024 },
  'python-datasci': {
    packages: ['python3-numpy', 'python3-pandas', 'python3-scipy', 'python3-matplotlib'],
    mib: 2_560,
  },
} as const satisfies Record<string, { packages: readonly string[]; mib: number }>
export type RootName = keyof typeof ROOTS

/** A small package that depends on the newest kernel of the suite; both are downloaded and unpacked, never installed. */
export const KERNEL_PACKAGE = 'linux-image-cloud-amd64'

/** The drivers of the machine, in the order in which they can be loaded. ext4 is in the kernel itself. */
export const KERNEL_MODULES = ['virtio_ring', 'virtio', 'virtio_mmio', 'virtio_console', 'virtio_blk'] as const
