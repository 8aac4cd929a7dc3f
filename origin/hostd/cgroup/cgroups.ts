/**
 * A cgroup for every machine, where this host has them, with limits of processor, memory, threads and disk.
 *
 *   <mount>/atoll/<host>/<machine>/     `host` is one daemon's, so that several may run on one machine
 *
 * They lie outside the daemon's own cgroup: a service manager may end and start the daemon, and its machines stay.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine as Shape } from '../../../shared/machines.ts'
import { describe, type Log } from '../log.ts'
import { limitsOf } from './machine-limits.ts'
import type { CgroupSurvey, Controller } from './survey.ts'

export type Cgroups = {
  /** Puts a process under the limits of its shape. What cannot be limited is logged, and runs all the same. */
  confine(name: string, pid: number, shape: Shape): Promise<void>
  /** Call it when the machine's process has ended. Safe to repeat, and for machines that never had one. */
  release(name: string): Promise<void>
}

const NO_CGROUPS: Cgroups = { confine: async () => {}, release: async () => {} }

const EMPTY_EVERY_MS = 10

type Setting = { survey: CgroupSurvey; runDir: string; device: string | null; log: Log }

/** Logs which limits machines have here, or why none. Cgroups of machines that are gone, left by a crash, go now. */
export async function openCgroups({ survey, runDir, device, log }: Setting): Promise<Cgroups> {
  if (survey.kind === 'absent') {
    log('cgroups', { limits: 'none', why: survey.why })
    return NO_CGROUPS
  }
  const { mount, has } = survey
  const root = join(mount, 'atoll', createHash('sha256').update(runDir).digest('hex').slice(0, 8))
  try {
    await delegate([mount, join(mount, 'atoll'), root], has)
  } catch (error) {
    // As in a container whose own processes are in the way: the kernel allows either processes or limits in a group, not both.
    log('cgroups', { limits: 'none', why: 'its controllers cannot be passed on', ...describe(error) })
    return NO_CGROUPS
  }
  for (const name of await readdir(root)) if (name.startsWith('m-')) await rmdir(join(root, name)).catch(() => {})
  log('cgroups', { limits: has.join(','), disk: device ?? 'none' })
  return {
    confine: (name, pid, shape) => confine(join(root, name), pid, shape),
    release: (name) => remove(join(root, name)),
  }

  async function confine(group: string, pid: number, shape: Shape): Promise<void> {
    try {
      await mkdir(group)
      for (const [file, value] of limitsOf(shape, has, device)) await writeFile(join(group, file), value)
      await writeFile(join(group, 'cgroup.procs'), String(pid))
    } catch (error) {
      log('cgroup-failed', { group, ...describe(error) })
    }
  }
}

/** Makes the groups on the way, each passing its controllers on to the next. */
async function delegate(groups: string[], has: Controller[]): Promise<void> {
  for (const group of groups) {
    await mkdir(group, { recursive: true })
    await writeFile(join(group, 'cgroup.subtree_control'), has.map((name) => `+${name}`).join(' '))
  }
}

/** The kernel takes a moment to see that a group's last thread has ended. */
async function remove(group: string): Promise<void> {
  const deadline = performance.now() + LIMITS.cgroupEmptyMs
  for (;;) {
    const failure = await rmdir(group).then(
      () => null,
      (error: NodeJS.ErrnoException) => error.code,
    )
    if (failure !== 'EBUSY' || performance.now() > deadline) return
    await sleep(EMPTY_EVERY_MS)
  }
}
