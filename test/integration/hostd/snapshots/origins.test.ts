/** What a snapshot came from may go, be made anew or be replaced: it stays what it is. */
import assert from 'node:assert/strict'
import { link, mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { LIMITS } from '../../../../shared/limits.ts'
import { Daemon, imageOfTests } from '../../../harness/host-daemon.ts'
import { create, exec, readyOf, shell, spec, textOf } from '../requests.ts'
import { createFrom, remove, take } from './calls.ts'

const MACHINE = { vcpus: 1, memoryMib: 512, diskMib: 2_000 }

const OLD = 'old-'
/** As many templates of another image as a host may have, the first one used longest ago. */
async function fillShelf(directory: string): Promise<void> {
  for (let index = 0; index < LIMITS.templatesPerHostMax; index++) {
    const manifest = join(directory, `${OLD}${index}`, 'template.json')
    await mkdir(join(directory, `${OLD}${index}`), { recursive: true })
    await writeFile(manifest, JSON.stringify({ name: 'default', machine: MACHINE, built_ms: 1 }))
    const usedSec = Date.now() / 1_000 - 24 * 3_600 + index
    await utimes(manifest, usedSec, usedSec)
  }
}

describe('a snapshot', { timeout: 600_000 }, () => {
  let host: Daemon
  let own: string
  const templates = (): string => join(own, 'templates')
  const image = (): string => join(own, 'image')
  before(async () => {
    own = await mkdtemp(join(tmpdir(), 'origins-'))
    await mkdir(image())
    const cached = await imageOfTests()
    for (const file of await readdir(cached)) await link(join(cached, file), join(image(), file))
    await fillShelf(templates())
    host = await Daemon.start({ ATOLL_TEMPLATE_DIR: templates(), ATOLL_IMAGE_DIR: image() })
  })
  after(async () => {
    await host?.stop()
    await rm(own, { recursive: true, force: true })
  })

  test('of a machine that was booted has a memory of its own, and shares it with nobody', async () => {
    const line = 'echo cold > file; (sleep 1000 & echo $! > pid)'
    assert.equal(readyOf(await create(host, spec('booted', { machine: MACHINE }), shell(line))).boot_path, 'cold')
    await take(host, 'booted', 'cold')
    const child = await createFrom(host, 'child', 'cold', 'cat file; kill -0 $(cat pid) && echo alive')
    assert.equal(textOf(child), 'cold\nalive\n')
  })

  // Whoever collects templates, another daemon or an operator, does not know who made snapshots of their clones.
  test('does not miss a template that is taken away, nor does one that is taken afterwards', async () => {
    await host.until('the template is made', 120_000, async () =>
      (await readdir(templates())).some((name) => /^default-.*-[0-9a-f]{16}$/.test(name)),
    )
    const others = (await readdir(templates())).filter((name) => name.startsWith(OLD))
    assert.equal(others.length, LIMITS.templatesPerHostMax - 1, 'the host was full, and made room')
    assert.ok(!others.includes(`${OLD}0`), 'by what was used longest ago')
    const clone = await create(host, spec('clone', { machine: MACHINE }), shell('echo warm > file'))
    assert.equal(readyOf(clone).boot_path, 'restore')
    await rm(templates(), { recursive: true, force: true })
    await take(host, 'clone', 'warm')
    await host.signal('SIGKILL')
    await host.launch()
    assert.equal(textOf(await createFrom(host, 'again', 'warm', 'cat file')), 'warm\n')
  })

  // An update of ours must not take a customer's work with it.
  test('outlives an update of the guest image, which goes with the last one that needs it', async () => {
    await host.signal('SIGKILL')
    const manifest = JSON.parse(await readFile(join(image(), 'image.json'), 'utf8'))
    await rm(image(), { recursive: true })
    await mkdir(image())
    await link(join(await imageOfTests(), manifest.kernel), join(image(), manifest.kernel))
    for (const file of [manifest.initramfs, ...Object.values(manifest.roots as Record<string, string>)])
      await writeFile(join(image(), file), 'of another time')
    await writeFile(join(image(), 'image.json'), JSON.stringify({ ...manifest, id: 'another' }))
    await host.launch()
    assert.equal(textOf(await createFrom(host, 'later', 'warm', 'cat file; cat /etc/hostname >/dev/null')), 'warm\n')
    assert.match(textOf(await createFrom(host, 'latest', 'cold', 'cat file; python3 -c "print(7)"')), /^cold\n7\n$/)
    assert.equal(textOf(await exec(host, 'booted', 'cat file')), 'cold\n')
    for (const { id } of (await host.inventory()).vms) await host.send('DELETE', `/v1/vms/${id}`)
    for (const id of ['cold', 'warm']) await remove(host, id)
    await host.until('nothing is left of the old image', 60_000, async () => {
      const bases = await readdir(join(host.stateDir, 'bases'))
      return bases.every((name) => name === '_image-another')
    })
  })
})
