/** The Debian packages a host needs to run machines. */
export const HOST_PACKAGES = ['qemu-system-x86', 'qemu-utils', 'openssl'] as const
