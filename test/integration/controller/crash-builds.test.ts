/** kill -9 of a real controller in the middle of builds: in a step, and in the snapshot that would have been the version. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { auditRegion } from './support/audit-region.ts'
import { type HostDouble, startHostDouble } from './support/host-double.ts'
import { type ControllerProcess, startControllerProcess } from './support/process.ts'
import { startProcessAgent } from './support/process-agent.ts'
import { at, textAt, until } from './support/region.ts'

/** The work of a controller that died is left alone for a while. */
const SETTLE_MS = 40_000

describe('a controller that is killed while it builds', { timeout: 600_000 }, () => {
  let host: HostDouble
  let controller: ControllerProcess
  const agent = startProcessAgent()
  const never = Promise.withResolvers<void>()
  before(async () => {
    host = await startHostDouble('h1')
    host.agent = agent.serve
    controller = await startControllerProcess(host)
  })
  after(async () => {
    never.resolve()
    await controller?.remove()
    await host?.close()
  })

  const ask = async (path: string, body?: object): Promise<unknown> => {
    const response = await fetch(controller.url + path, {
      method: body === undefined ? 'GET' : 'POST',
      headers: { authorization: `Bearer ${controller.key}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    assert.ok(response.ok, `${path}: ${response.status}`)
    return at(await response.json(), 'data')
  }
  const begin = async (name: string, build_spec: object): Promise<string> => {
    await ask('/v1/sandbox-templates', { name, build_spec })
    return textAt(await ask(`/v1/sandbox-templates/${name}/builds`, {}), 'id')
  }
  const read = (build: string): Promise<unknown> => ask(`/v1/sandbox-template-builds/${build}`)
  const statesOf = (record: unknown) => (at(record, 'steps') as unknown[]).map((step) => at(step, 'state'))
  const ran = (line: string): number => host.commands.filter((command) => command.endsWith(line)).length

  test('has it gone on with by the next one, from the last step that was kept, and leaves nothing behind', async () => {
    const steps = ['remember first', 'sleep 3', 'remember second'].map((run) => ({ run }))
    const stepped = await begin('stepped', { steps })
    await until('the long step', async () => statesOf(await read(stepped))[1] === 'running')
    host.upsets.snapshots.push({ kind: 'hang_after', until: never.promise })
    const versioned = await begin('versioned', { startCmd: 'serve', readyCmd: 'remember whole' })
    await until('its version to be taken', () => host.upsets.snapshots.length === 0)
    assert.equal(textAt(await read(versioned), 'state'), 'snapshotting')
    await controller.kill('SIGKILL')
    await controller.start()
    for (const build of [stepped, versioned])
      await until(`${build} to be ready`, async () => textAt(await read(build), 'state') === 'ready', SETTLE_MS)
    assert.deepEqual(statesOf(await read(stepped)), ['done', 'done', 'done'])
    // What is not kept was done in both sandboxes, and a service was started in both.
    assert.deepEqual(
      agent.starts.map(({ argv }) => argv.at(-1)),
      ['serve', 'serve'],
    )
    assert.deepEqual(['remember first', 'remember second', 'remember whole'].map(ran), [1, 1, 2])
    for (const [name, expected] of [
      ['stepped', 'first second'],
      ['versioned', 'whole'],
    ] as const) {
      const id = textAt(await ask('/v1/sandboxes', { template_id: name }), 'id')
      assert.equal(textAt(await ask(`/v1/sandboxes/${id}/exec`, { command: 'recall' }), 'stdout'), expected)
    }
    const log = (await ask(`/v1/sandbox-template-builds/${stepped}/logs`)) as unknown[]
    assert.deepEqual(
      log.map((line) => at(line, 'seq')),
      log.map((_, place) => place + 1),
    )
    await until(
      'the host and the rows to agree',
      async () => {
        const machines = await controller.sql<{ id: string }>('select id from sandbox where released_at is null')
        const kept = await controller.sql<{ id: string }>('select id from snapshot')
        return (
          machines.length === 2 &&
          host.vms.size === 2 &&
          kept.length === host.snapshots.size &&
          kept.every(({ id }) => host.snapshots.has(id))
        )
      },
      SETTLE_MS,
    )
    const stray = await controller.sql(
      `select id from snapshot where id not in (select snapshot from template_step)
       and id not in (select snapshot from template_build where version is not null)`,
    )
    assert.deepEqual(stray, [])
    assert.deepEqual(await auditRegion((text, values) => controller.sql(text, values)), [])
  })
})
