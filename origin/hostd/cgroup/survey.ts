/** Whether this machine has what limits machines among each other: a version 2 of cgroups that may be written, and which controllers. */
import { constants } from 'node:fs'
import { access, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Those that a machine is limited by. Version 2 has only what version 1 leaves it. */
export const CONTROLLERS = ['cpu', 'memory', 'pids', 'io'] as const
export type Controller = (typeof CONTROLLERS)[number]

export type CgroupSurvey =
  | { kind: 'there'; mount: string; has: Controller[]; lacks: Controller[] }
  | { kind: 'absent'; why: string }

/** Changes nothing. `mounts` lists what is mounted as the kernel does, in a file. */
export async function surveyCgroups(mounts = '/proc/self/mountinfo'): Promise<CgroupSurvey> {
  const mount = mountOf(await readFile(mounts, 'utf8').catch(() => ''))
  if (mount === null) return { kind: 'absent', why: 'version 2 of cgroups is not mounted' }
  const offered = (await readFile(join(mount, 'cgroup.controllers'), 'utf8').catch(() => '')).split(/\s+/)
  const has = CONTROLLERS.filter((name) => offered.includes(name))
  if (has.length === 0) return { kind: 'absent', why: `version 2 of cgroups at ${mount} has none of ${CONTROLLERS}` }
  const isWritable = await access(join(mount, 'cgroup.subtree_control'), constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!isWritable) return { kind: 'absent', why: `version 2 of cgroups at ${mount} may not be written` }
  return { kind: 'there', mount, has, lacks: CONTROLLERS.filter((name) => !has.includes(name)) }
}

/** Where version 2 is mounted; by itself or, beside version 1, in a folder of its own. The last mount hides those before. */
export function mountOf(mountinfo: string): string | null {
  const mounts = mountinfo.split('\n').flatMap((line) => {
    const [place = '', kind = ''] = line.split(' - ')
    return kind.startsWith('cgroup2 ') ? [place.split(' ')[4] ?? ''] : []
  })
  const last = mounts.at(-1)
  // The kernel writes what would break the line in octal.
  return last === undefined ? null : last.replace(/\\(\d{3})/g, (_, octal) => String.fromCharCode(parseInt(octal, 8)))
}
