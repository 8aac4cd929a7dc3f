/** The disk beneath a directory, as cgroups name it. */
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** `major:minor` of the whole disk, because only that has limits, not a partition; null where there is none, as on tmpfs or overlayfs. */
export function diskDeviceOf(directory: string, blockDevices = '/sys/dev/block'): string | null {
  const { dev } = statSync(directory, { bigint: true })
  // As glibc takes them apart.
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn)
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn)
  const link = join(blockDevices, `${major}:${minor}`)
  if (!existsSync(link)) return null
  const device = realpathSync(link)
  const disk = existsSync(join(device, 'partition')) ? join(device, '..') : device
  return readFileSync(join(disk, 'dev'), 'utf8').trim()
}
