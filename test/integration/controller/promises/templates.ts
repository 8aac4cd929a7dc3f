/** Templates of a tenant's own: built step by step in a sandbox, each step once, and gone on from by whatever is made of them. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { AppError } from '../../../../shared/errors.ts'
import { LIMITS } from '../../../../shared/limits.ts'
import { refused } from '../support/memories.ts'
import { startProcessAgent } from '../support/process-agent.ts'
import { type Account, at, type TestRegion, textAt, until } from '../support/region.ts'
import { readSse } from '../support/sse.ts'

const run = (...lines: string[]) => lines.map((line) => ({ run: line }))
const ENDED = new Set(['ready', 'failed', 'cancelled'])

export function templatePromises(regionOf: () => TestRegion): void {
  const post = (path: string, body: object, more: object = {}) =>
    regionOf().ask(path, { method: 'POST', body, ...more })
  const fresh = async (): Promise<Account & { owned: { key: string } }> => {
    const account = await regionOf().newKey()
    return { ...account, owned: { key: account.key } }
  }
  const named = async (key: string, slug: string, build_spec: object = {}): Promise<string> => {
    const answer = await post('/v1/sandbox-templates', { name: slug, slug, build_spec }, { key })
    assert.equal(answer.status, 201, answer.text)
    return textAt(answer.json, 'data', 'id')
  }
  const begin = async (key: string, template: string, body: object = {}): Promise<string> => {
    const answer = await post(`/v1/sandbox-templates/${template}/builds`, body, { key })
    assert.equal(answer.status, 201, answer.text)
    assert.equal(textAt(answer.json, 'data', 'state'), 'queued')
    return textAt(answer.json, 'data', 'id')
  }
  const read = async (key: string, build: string): Promise<unknown> =>
    at((await regionOf().ask(`/v1/sandbox-template-builds/${build}`, { key })).json, 'data')
  const ended = async (key: string, build: string): Promise<unknown> => {
    let record: unknown
    await until(
      `the end of ${build}`,
      async () => {
        record = await read(key, build)
        return ENDED.has(textAt(record, 'state')) && at(record, 'sandbox_id') === null
      },
      20_000,
    )
    return record
  }
  const built = async (key: string, template: string, body: object = {}): Promise<unknown> => {
    const record = await ended(key, await begin(key, template, body))
    assert.equal(textAt(record, 'state'), 'ready', JSON.stringify(record))
    return record
  }
  const recall = async (key: string, body: object): Promise<string> => {
    const made = await post('/v1/sandboxes', body, { key })
    assert.equal(made.status, 201, made.text)
    const id = textAt(made.json, 'data', 'id')
    const answer = await post(`/v1/sandboxes/${id}/exec`, { command: 'recall' }, { key })
    await regionOf().ask(`/v1/sandboxes/${id}`, { method: 'DELETE', key })
    return textAt(answer.json, 'data', 'stdout')
  }
  const logOf = async (key: string, build: string): Promise<string[]> => {
    const { json } = await regionOf().ask(`/v1/sandbox-template-builds/${build}/logs`, { key })
    return (at(json, 'data') as unknown[]).map((line) => textAt(line, 'line'))
  }
  const statesOf = (record: unknown) => (at(record, 'steps') as unknown[]).map((step) => at(step, 'state'))
  const ranIn = (word: string): number => regionOf().host.commands.filter((line) => line.endsWith(word)).length

  test('a sandbox that is made of a version goes on from what its steps have done, under its name', async () => {
    const { key } = await fresh()
    const spec = { steps: run('remember one', 'remember two'), env: { COLOUR: 'blue' }, size: 'xs', previewPort: 8_080 }
    await named(key, 'web', spec)
    const before = await regionOf().ask('/v1/sandbox-templates/web', { key })
    assert.deepEqual([at(before.json, 'status'), at(before.json, 'version')], ['empty', null])
    refused(await post('/v1/sandboxes', { template_id: 'web' }, { key }), 409, 'template_not_built')

    const record = await built(key, 'web', { tags: ['stable'] })
    assert.deepEqual(statesOf(record), ['done', 'done'])
    const next = await built(key, 'web', { build_spec: { ...spec, steps: run('remember three') } })
    assert.deepEqual([at(record, 'version'), at(next, 'version')], [1, 2])
    assert.equal(await recall(key, { template_id: 'web' }), 'three')
    assert.equal(await recall(key, { template: 'web:1' }), 'one two')
    assert.equal(await recall(key, { image: 'web:stable' }), 'one two')
    refused(await post('/v1/sandboxes', { template_id: 'web:9' }, { key }), 422, 'template_not_found')
    refused(await post('/v1/sandboxes', { template_id: 'web', size: 'large' }, { key }), 422, 'invalid_request')

    const made = await post('/v1/sandboxes', { template_id: 'web', env: { SHAPE: 'round' } }, { key })
    assert.deepEqual(
      ['template_id', 'image_id', 'size'].map((field) => at(made.json, 'data', field)),
      ['web', 'web:2', 'xs'],
    )
    const [row] = await regionOf().sql<{ env: object }>('select env from sandbox where id = $1', [
      textAt(made.json, 'data', 'id'),
    ])
    assert.deepEqual(row?.env, { COLOUR: 'blue', SHAPE: 'round' })
    const listed = await regionOf().ask('/v1/sandboxes?template_id=web', { key })
    assert.equal((at(listed.json, 'data') as unknown[]).length, 1)
    const shown = await regionOf().ask('/v1/sandbox-templates/web', { key })
    assert.deepEqual(
      ['status', 'version', 'image_id', 'preview_port', 'default_cpu'].map((field) => at(shown.json, field)),
      ['ready', 2, 'web:2', 8_080, 1],
    )
    assert.deepEqual(at(shown.json, 'version_tags'), { stable: 1 })
  })

  test('a step that was done before is not done again, and what comes after a changed one is', async () => {
    const { key } = await fresh()
    const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()].map((word) => `remember ${word}`) as [
      string,
      string,
      string,
    ]
    await named(key, 'one')
    await named(key, 'other')
    await built(key, 'one', { build_spec: { steps: run(a, b) } })
    const record = await built(key, 'other', { build_spec: { steps: run(a, b, c) } })
    assert.deepEqual(statesOf(record), ['cached', 'cached', 'done'])
    assert.deepEqual([a, b, c].map(ranIn), [1, 1, 1])
    assert.equal(await recall(key, { template_id: 'other' }), [a, b, c].map((line) => line.slice(9)).join(' '))
    const changed = await built(key, 'other', { build_spec: { steps: run(a, c, b) } })
    assert.deepEqual(statesOf(changed), ['cached', 'done', 'done'])
    await built(key, 'other', { build_spec: { steps: run(a) }, no_cache: true })
    assert.deepEqual([a, b, c].map(ranIn), [2, 2, 2])
    // Nobody else goes on from what a tenant has done.
    const stranger = await fresh()
    await named(stranger.key, 'one')
    await built(stranger.key, 'one', { build_spec: { steps: run(a) } })
    assert.equal(ranIn(a), 3)
  })

  test('a step that fails ends the build with its exit code and its output, and nothing is left', async () => {
    const { key, tenant } = await fresh()
    await named(key, 'web')
    const record = await ended(
      key,
      await begin(key, 'web', { build_spec: { steps: run('remember x', 'exit 7', 'remember y') } }),
    )
    assert.equal(at(record, 'state'), 'failed')
    assert.deepEqual(statesOf(record), ['done', 'failed', 'pending'])
    assert.deepEqual(
      ['code', 'step', 'exit_code'].map((field) => at(record, 'error', field)),
      ['step_failed', 2, 7],
    )
    assert.equal(at(record, 'version'), null)
    const left = await regionOf().sql(
      `select id from sandbox where tenant = $1 and state not in ('destroyed', 'error')`,
      [tenant],
    )
    assert.deepEqual(left, [])
  })

  test('what starts with a template is a process of its own, and one that is not started well ends the build', async () => {
    const agent = startProcessAgent()
    regionOf().host.agent = agent.serve
    try {
      const { key } = await fresh()
      await named(key, 'web')
      await built(key, 'web', { build_spec: { startCmd: 'serve', readyCmd: 'exit 0', workdir: '/app', user: 'root' } })
      const [started] = agent.starts
      assert.deepEqual(
        [started?.argv.at(-1), started?.cwd, started?.user, started?.name, started?.timeout_ms],
        ['serve', '/app', 'root', 'start', 0],
      )
      agent.refusal = { status: 422, code: 'process_not_started' }
      const refusal = await ended(key, await begin(key, 'web', { build_spec: { startCmd: 'nothing' } }))
      assert.deepEqual([at(refusal, 'state'), at(refusal, 'error', 'code')], ['failed', 'start_failed'])
    } finally {
      regionOf().host.agent = null
    }
  })

  test('its log is told as it is said, and goes on after the last line that a reader has', async () => {
    const { key } = await fresh()
    await named(key, 'web')
    const id = await begin(key, 'web', { build_spec: { steps: run('echo first', 'sleep 3', 'echo last') } })
    const path = `${regionOf().url}/v1/sandbox-template-builds/${id}/logs/stream`
    const authorization = `Bearer ${key}`
    const reader = await readSse(path, { authorization })
    await until('the first line', () => reader.frames.some(({ data }) => data.line === 'first'))
    assert.ok(!reader.hasEnded)
    reader.close()
    const rest = await readSse(path, { authorization, 'last-event-id': reader.lastId })
    await until('the end', () => rest.hasEnded)
    const told = [...reader.frames, ...rest.frames].filter(({ event }) => event === 'log')
    assert.deepEqual(
      told.map(({ data }) => data.seq),
      told.map((_, place) => place + 1),
    )
    assert.deepEqual(
      told.map(({ data }) => data.line),
      await logOf(key, id),
    )
    const end = rest.frames.at(-1)
    assert.deepEqual([end?.event, end?.data.state, end?.data.version], ['end', 'ready', 1])
    const page = await regionOf().ask(`/v1/sandbox-template-builds/${id}/logs?cursor=1&limit=2`, { key })
    assert.deepEqual(
      (at(page.json, 'data') as unknown[]).map((line) => at(line, 'seq')),
      [2, 3],
    )
    assert.equal(at(page.json, 'next_cursor'), '3')
  })

  test('a build that is cancelled ends its command and its sandbox, and becomes no version', async () => {
    const { key, tenant } = await fresh()
    await named(key, 'web')
    const id = await begin(key, 'web', { build_spec: { steps: run('sleep 30') } })
    await until('the step', async () => statesOf(await read(key, id))[0] === 'running')
    const sandbox = textAt(await read(key, id), 'sandbox_id')
    const isIn = (lines: string[]) => lines.some((line) => line.startsWith(sandbox) && line.endsWith('sleep 30'))
    await until('its command', () => isIn(regionOf().host.commands))
    refused(await regionOf().ask('/v1/sandbox-templates/web', { method: 'DELETE', key }), 409, 'build_not_ended')
    const answer = await post(`/v1/sandbox-template-builds/${id}/cancel`, {}, { key })
    assert.deepEqual([answer.status, at(answer.json, 'data', 'state')], [200, 'cancelled'])
    assert.equal(textAt(await ended(key, id), 'state'), 'cancelled')
    await until('the command to be broken off', () => isIn(regionOf().host.brokenOff))
    assert.ok(!regionOf().host.vms.has(sandbox))
    const [quota] = await regionOf().sql<{ used: number }>('select used from quota_grant where tenant = $1', [tenant])
    assert.equal(quota?.used, 0)
    assert.equal((await post(`/v1/sandbox-template-builds/${id}/cancel`, {}, { key })).status, 200)
    assert.equal((await regionOf().ask('/v1/sandbox-templates/web', { method: 'DELETE', key })).status, 204)
    assert.equal((await regionOf().ask(`/v1/sandbox-template-builds/${id}`, { key })).status, 404)
  })

  test('what something was made of is not deleted; what is deleted leaves nothing', async () => {
    const { key, tenant } = await fresh()
    await named(key, 'ground', { steps: run('remember ground') })
    const build = textAt(await built(key, 'ground'), 'id')
    await named(key, 'top', { from: 'ground:1', steps: run('remember top') })
    const top = await built(key, 'top')
    assert.equal(at(top, 'from'), 'ground:1')
    assert.equal(await recall(key, { template_id: 'top' }), 'ground top')
    const remove = (path: string) => regionOf().ask(path, { method: 'DELETE', key })
    refused(await remove('/v1/sandbox-templates/ground'), 409, 'template_in_use')
    refused(await remove(`/v1/sandbox-template-builds/${build}`), 409, 'template_in_use')
    assert.equal((await remove('/v1/sandbox-templates/top')).status, 204)

    const id = textAt((await post('/v1/sandboxes', { template_id: 'ground' }, { key })).json, 'data', 'id')
    refused(await remove('/v1/sandbox-templates/ground'), 409, 'template_in_use')
    const kept = await post(`/v1/sandboxes/${id}/snapshots`, {}, { key })
    assert.equal((await remove(`/v1/sandboxes/${id}`)).status, 204)
    const refusal = await remove('/v1/sandbox-templates/ground')
    refused(refusal, 409, 'template_in_use')
    assert.deepEqual(at(refusal.json, 'error', 'details'), { sandboxes: 0, snapshots: 1, templates: 0 })
    assert.equal((await remove(`/v1/snapshots/${textAt(kept.json, 'data', 'id')}`)).status, 204)
    assert.equal((await remove('/v1/sandbox-templates/ground')).status, 204)
    assert.equal((await remove('/v1/sandbox-templates/ground')).status, 404)
    refused(await post('/v1/sandboxes', { template_id: 'ground' }, { key }), 422, 'template_not_found')
    const rows = await regionOf().sql(
      `select id from snapshot where tenant = $1 and id not in (select snapshot from template_step)`,
      [tenant],
    )
    assert.deepEqual(rows, [])
  })

  test('a spec is judged in words, before anything is built', async () => {
    const { key } = await fresh()
    const judge = async (build_spec: unknown) =>
      (await post('/v1/sandbox-templates/validate', { build_spec }, { key })).json
    const good = await judge({ steps: [{ run: 'true' }], startCmd: null, readyCmd: null })
    assert.deepEqual([good.valid, good.errors, at(good, 'build_spec', 'workdir')], [true, [], '/workspace'])
    const image = await judge({ from: 'node:22-bookworm' })
    assert.equal(image.valid, false)
    assert.match(textAt(image, 'errors', '0', 'message'), /container image.*default.*name:version/s)
    for (const [wrong, field] of [
      [{ steps: [{ run: '' }] }, 'steps.0.run'],
      [{ files: [{ path: '/etc/../x', content: '' }] }, 'files.0.path'],
      [{ files: [{ path: '/x', content: 'a', contentBase64: 'YQ==' }] }, 'files.0.contentBase64'],
      [{ packages: { apt: ['-o=x'] } }, 'packages.apt.0'],
      [{ packages: { pip: ['x; rm'] } }, 'packages.pip.0'],
      [{ env: { 'A-B': '1' } }, 'env'],
      [{ workdir: 'here' }, 'workdir'],
      [{ previewPort: 70_000 }, 'previewPort'],
      [{ from: 'none' }, 'from'],
      [7, 'build_spec'],
    ] as const) {
      const said = await judge(wrong)
      assert.deepEqual([said.valid, at(said, 'errors', '0', 'field')], [false, field], JSON.stringify(said))
    }
    const answer = await post('/v1/sandbox-templates', { name: 'x', build_spec: { from: 'ubuntu' } }, { key })
    refused(answer, 422, 'invalid_buildspec')
    const schema = await regionOf().ask('/v1/sandbox-templates/build-spec', { key })
    assert.equal(schema.json.version, '2026-05-13')
    assert.ok(at(schema.json, 'properties', 'startCmd') !== undefined)
  })

  test('a name is one of its tenant, and no built-in one; a key makes one template, and one build', async () => {
    const { key } = await fresh()
    const id = await named(key, 'web')
    refused(await post('/v1/sandbox-templates', { name: 'Web' }, { key }), 409, 'already_exists')
    for (const name of ['default', 'base', 'validate', 'build spec'])
      refused(await post('/v1/sandbox-templates', { name }, { key }), 409, 'already_exists')
    await named((await fresh()).key, 'web')
    const more = { key, headers: { 'idempotency-key': randomUUID() } }
    const [one, two] = await Promise.all([
      post('/v1/sandbox-templates', { name: 'twice' }, more),
      post('/v1/sandbox-templates', { name: 'twice' }, more),
    ])
    assert.equal(one?.text, two?.text)
    refused(await post('/v1/sandbox-templates', { name: 'thrice' }, more), 422, 'idempotency_key_reused')
    const builds = await Promise.all([1, 2].map(() => post(`/v1/sandbox-templates/${id}/builds`, {}, more)))
    assert.equal(builds[0]?.text, builds[1]?.text)
    const listed = await regionOf().ask(`/v1/sandbox-templates/${id}/builds`, { key })
    assert.equal((at(listed.json, 'data') as unknown[]).length, 1)
    await ended(key, textAt(builds[0]?.json, 'data', 'id'))
  })

  test('a build that loses its sandbox goes on from the last step that was kept, in another one', async () => {
    const { key } = await fresh()
    const first = `remember ${randomUUID()}`
    await named(key, 'web')
    const id = await begin(key, 'web', { build_spec: { steps: run(first, 'sleep 3', 'remember done') } })
    await until('the second step', async () => statesOf(await read(key, id))[1] === 'running')
    const lost = textAt(await read(key, id), 'sandbox_id')
    assert.equal((await regionOf().ask(`/v1/sandboxes/${lost}`, { method: 'DELETE', key })).status, 204)
    regionOf().host.lost.push({ id: lost, reason: 'gone', cause: 'expired', at_ms: Date.now() })
    const record = await ended(key, id)
    assert.deepEqual([at(record, 'state'), statesOf(record)], ['ready', ['done', 'done', 'done']])
    assert.equal(ranIn(first), 1)
    assert.equal(await recall(key, { template_id: 'web' }), `${first.slice(9)} done`)
    assert.ok((await logOf(key, id)).some((line) => line.startsWith('Interrupted')))
  })

  test('a build waits for room, and a step that cannot be kept costs the next build its time only', async () => {
    const account = await regionOf().newKey({ concurrency: 1 })
    const { key } = account
    const holder = textAt((await post('/v1/sandboxes', {}, { key })).json, 'data', 'id')
    await named(key, 'web')
    regionOf().host.upsets.snapshots.push({
      kind: 'refuse',
      error: new AppError('snapshot_space_exhausted', 'The disk is full.'),
    })
    const id = await begin(key, 'web', { build_spec: { steps: run('remember it') } })
    await until(
      'it waits',
      async () => (await logOf(key, id)).some((line) => line.startsWith('Waiting for room')),
      15_000,
    )
    assert.equal((await regionOf().ask(`/v1/sandboxes/${holder}`, { method: 'DELETE', key })).status, 204)
    assert.equal(textAt(await ended(key, id), 'state'), 'ready')
    assert.ok((await logOf(key, id)).some((line) => line.includes('could not be kept')))
    assert.equal(await recall(key, { template_id: 'web' }), 'it')
  })

  test('a key for an end user makes sandboxes of a template, and neither sees nor changes it', async () => {
    const { key } = await fresh()
    const id = await named(key, 'web', { steps: run('remember it') })
    await built(key, 'web')
    const scoped = await post(
      '/v1/api-keys/scoped',
      { external_user_id: 'u1', scopes: ['sandboxes:read', 'sandboxes:write', 'sandboxes:exec'] },
      { key },
    )
    const user = textAt(scoped.json, 'data', 'key')
    assert.equal(await recall(user, { template_id: 'web' }), 'it')
    refused(await regionOf().ask(`/v1/sandbox-templates/${id}`, { key: user }), 404, 'no_such_template')
    refused(await post(`/v1/sandbox-templates/${id}/builds`, {}, { key: user }), 403, 'owner_key_required')
    refused(
      await post('/v1/sandboxes', { template_id: 'web' }, { key: (await fresh()).key }),
      422,
      'template_not_found',
    )
  })

  test('a build goes to the registries of its packages and where its spec says, and what is made of it does not', async () => {
    const { key, tenant } = await fresh()
    await named(key, 'web', { packages: { npm: ['left-pad'] }, egress: { allow: ['Example.com'] } })
    const id = textAt(await built(key, 'web'), 'id')
    const made = textAt((await post('/v1/sandboxes', { template_id: 'web' }, { key })).json, 'data', 'id')
    const wishOf = async (where: string, value: string): Promise<unknown> => {
      const rows = await regionOf().sql<{ egress: unknown }>(`select egress from sandbox where ${where} = $1`, [value])
      return rows[0]?.egress
    }
    const rules = at(await wishOf(`metadata ->> 'template_build'`, id), 'rules') as unknown[]
    assert.deepEqual(
      rules.map((rule) => [at(rule, 'host'), at(rule, 'effect')]),
      [
        ['example.com', 'allow'],
        ['registry.npmjs.org', 'allow'],
      ],
    )
    assert.equal(await wishOf('id', made), null)
    const narrow = await regionOf().newKey({ tenant, scopes: ['sandboxes:read', 'sandboxes:write'] })
    refused(await post('/v1/sandbox-templates/web/builds', {}, { key: narrow.key }), 403, 'insufficient_scope')
    await built(narrow.key, 'web', { build_spec: { steps: run('remember it') } })
  })

  test('what steps take is bounded: those that were used longest ago go, and the newest stays', async () => {
    const { key, tenant } = await fresh()
    await named(key, 'web', { steps: run('remember a', 'remember b', 'remember c') })
    await built(key, 'web')
    await regionOf().sql(`update snapshot set bytes = $2 where tenant = $1`, [
      tenant,
      LIMITS.buildCacheBytesPerTenantMax,
    ])
    const kept = () =>
      regionOf().sql<{ snapshot: string }>('select snapshot from template_step where tenant = $1', [tenant])
    const all = await kept()
    await until('two of them to stay', async () => (await kept()).length === 2, 2 * LIMITS.buildsSettleMs)
    const stay = new Set((await kept()).map(({ snapshot }) => snapshot))
    const gone = all.find(({ snapshot }) => !stay.has(snapshot))
    await until('the other to be gone', () => !regionOf().host.snapshots.has(gone?.snapshot ?? ''))
    const record = await built(key, 'web')
    assert.deepEqual(statesOf(record), ['cached', 'cached', 'cached'])
  })
}
