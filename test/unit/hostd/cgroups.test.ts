import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Cgroups, openCgroups } from '../../../origin/hostd/cgroup/cgroups.ts'
import { diskDeviceOf } from '../../../origin/hostd/cgroup/disk-device.ts'
import { limitsOf } from '../../../origin/hostd/cgroup/machine-limits.ts'
import { type CgroupSurvey, CONTROLLERS, mountOf, surveyCgroups } from '../../../origin/hostd/cgroup/survey.ts'
import { SIZES } from '../../../shared/machines.ts'

/** A folder that looks like version 2 of cgroups, and the list of mounts that names it. */
function pretend(context: TestContext, controllers: string): { mount: string; mounts: string } {
  const mount = mkdtempSync(join(tmpdir(), 'atoll-cgroup-'))
  context.after(() => rmSync(mount, { recursive: true, force: true }))
  writeFileSync(join(mount, 'cgroup.controllers'), `${controllers}\n`)
  writeFileSync(join(mount, 'cgroup.subtree_control'), '')
  const mounts = join(mount, 'mountinfo')
  writeFileSync(mounts, `31 23 0:28 / ${mount} rw,relatime - cgroup2 cgroup2 rw\n`)
  return { mount, mounts }
}

const openAt = async (survey: CgroupSurvey, events: object[] = []): Promise<Cgroups> => {
  const log = (event: string, fields: object = {}): number => events.push({ event, ...fields })
  return openCgroups({ survey, runDir: '/run/one', device: '8:0', log })
}

test('a machine is put under limits of processor, memory, threads and disk, in a group of its own', async (context) => {
  const { mount, mounts } = pretend(context, 'cpuset cpu io memory hugetlb pids rdma')
  const survey = await surveyCgroups(mounts)
  assert.deepEqual(survey, { kind: 'there', mount, has: [...CONTROLLERS], lacks: [] })
  await (await openAt(survey)).confine('m-0', 4_711, SIZES.small)
  const group = join(mount, 'atoll', '8ef97820', 'm-0')
  const read = (file: string): string => readFileSync(join(group, file), 'utf8')
  assert.equal(read('cpu.max'), '250000 100000')
  assert.equal(read('memory.max'), String((4_096 + 512) * 1024 * 1024))
  assert.equal(read('pids.max'), '130')
  assert.match(read('io.max'), /^8:0 rbps=\d+ wbps=\d+ riops=\d+ wiops=\d+$/)
  assert.equal(read('cgroup.procs'), '4711')
  for (const parent of ['.', 'atoll', 'atoll/8ef97820'])
    assert.equal(readFileSync(join(mount, parent, 'cgroup.subtree_control'), 'utf8'), '+cpu +memory +pids +io')
})

// Under version 1, or half of each, what is there is used and what is not is said, and no machine fails for it.
test('a host that has only some controllers, none, or no right to them says so, and its machines run all the same', async (context) => {
  const some = await surveyCgroups(pretend(context, 'cpu pids').mounts)
  assert.deepEqual(some.kind === 'there' && some.lacks, ['memory', 'io'])
  const none = await surveyCgroups(pretend(context, 'hugetlb').mounts)
  assert.match(none.kind === 'absent' ? none.why : '', /has none of cpu,memory,pids,io/)
  const { mount, mounts } = pretend(context, 'cpu')
  writeFileSync(mounts, 'nothing of the kind')
  assert.deepEqual(await surveyCgroups(mounts), { kind: 'absent', why: 'version 2 of cgroups is not mounted' })
  const events: object[] = []
  rmSync(join(mount, 'cgroup.subtree_control'))
  mkdirSync(join(mount, 'cgroup.subtree_control'))
  const closed = await openAt({ kind: 'there', mount, has: ['cpu'], lacks: [] }, events)
  await closed.confine('m-0', 1, SIZES.xs)
  await closed.release('m-0')
  assert.match(JSON.stringify(events), /cannot be passed on/)
})

test('limits are only of what the host has, and grow with the machine', () => {
  assert.deepEqual([...limitsOf(SIZES.xs, ['pids'], null).keys()], ['pids.max'])
  assert.deepEqual([...limitsOf(SIZES.xs, ['io'], null).keys()], [])
  assert.equal(limitsOf(SIZES.xl, ['cpu'], null).get('cpu.max'), '1650000 100000')
})

test('the mount is found beside version 1, with a name that has a space, and not where only version 1 is', () => {
  const line = (place: string, type: string): string => `41 31 0:38 / ${place} rw shared:9 - ${type} ${type} rw`
  assert.equal(mountOf([line('/a', 'cgroup'), line('/a/b\\040c', 'cgroup2')].join('\n')), '/a/b c')
  assert.equal(mountOf(line('/a', 'cgroup')), null)
})

test('the limits of a disk are those of the whole one, also when it is a partition that holds the machines', (context) => {
  const root = mkdtempSync(join(tmpdir(), 'atoll-block-'))
  context.after(() => rmSync(root, { recursive: true, force: true }))
  assert.equal(diskDeviceOf(root, join(root, 'none')), null)
  mkdirSync(join(root, 'sda/sda1'), { recursive: true })
  writeFileSync(join(root, 'sda/dev'), '8:0\n')
  writeFileSync(join(root, 'sda/sda1/dev'), '8:1\n')
  writeFileSync(join(root, 'sda/sda1/partition'), '1\n')
  mkdirSync(join(root, 'block'))
  const { major, minor } = deviceOf(root)
  symlinkSync(join(root, 'sda/sda1'), join(root, 'block', `${major}:${minor}`))
  assert.equal(diskDeviceOf(root, join(root, 'block')), '8:0')
})

function deviceOf(path: string): { major: number; minor: number } {
  const line = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((text) => text.split(' '))
    .filter(([, , , , mount = '']) => path === mount || path.startsWith(mount === '/' ? '/' : `${mount}/`))
    .toSorted((a, b) => (a[4]?.length ?? 0) - (b[4]?.length ?? 0))
    .at(-1)
  const [major, minor] = (line?.[2] ?? '').split(':').map(Number)
  return { major: major ?? 0, minor: minor ?? 0 }
}

/** The kernel's own version 2, with whatever controllers version 1 has left it. */
async function realCgroups(context: TestContext): Promise<{ cgroups: Cgroups; root: string } | null> {
  const mount = mountOf(readFileSync('/proc/self/mountinfo', 'utf8'))
  if (mount === null || process.getuid?.() !== 0) {
    context.skip('version 2 of cgroups is not mounted here, or this is not root')
    return null
  }
  const survey = await surveyCgroups()
  const has = survey.kind === 'there' ? survey.has : []
  const events: object[] = []
  const cgroups = await openAt({ kind: 'there', mount, has, lacks: [] }, events)
  if (JSON.stringify(events).includes('cannot be passed on')) {
    context.skip('this container may not pass controllers on')
    return null
  }
  const root = join(mount, 'atoll', '8ef97820')
  context.after(() => rmdirSync(root))
  return { cgroups, root }
}

test('on the real kernel a process is in its group, and the group goes with it', async (context) => {
  const real = await realCgroups(context)
  if (real === null) return
  const child = spawn('sleep', ['60'])
  context.after(() => child.kill('SIGKILL'))
  const { pid } = child
  assert.ok(pid !== undefined)
  await real.cgroups.confine('m-real', pid, SIZES.xs)
  assert.match(readFileSync(`/proc/${pid}/cgroup`, 'utf8'), /^0::.*\/atoll\/8ef97820\/m-real$/m)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await real.cgroups.release('m-real')
  assert.throws(() => readFileSync(join(real.root, 'm-real/cgroup.procs')), /ENOENT/)
})
