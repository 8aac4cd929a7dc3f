/** What may happen next. Each does it to the region and to the model, and requires that they agree. */
import assert from 'node:assert/strict'
import { AppError } from '../../../../shared/errors.ts'
import { at, textAt, until } from '../support/region.ts'
import { COPY_ON_SANDBOX, COPY_ON_TENANT } from './copy-commands.ts'
import {
  ask,
  expectRecord,
  expectStatus,
  isFull,
  type Modelled,
  machineOf,
  type OnSandbox,
  type OnTenant,
  pick,
  type World,
} from './world.ts'

const NAMES = ['red', 'green', 'blue']
let keys = 0

const create: OnTenant = async (world, tenant) => {
  const name = world.draw() < 0.4 ? pick(world, NAMES) : null
  const isRun = world.draw() < 0.4
  const tags = world.draw() < 0.3 ? ['one'] : []
  const body = { tags, ...(name === null ? {} : { name }), ...(isRun ? { command: 'echo hello' } : {}) }
  const headers = { 'idempotency-key': `model-${++keys}` }
  const send = () =>
    ask(world, tenant, isRun ? '/v1/sandboxes/run' : '/v1/sandboxes', { method: 'POST', body, headers })
  const made = await send()
  if (isFull(tenant)) return expectStatus(made, 429, 'concurrency_limit')
  if (name !== null && [...tenant.sandboxes.values()].some((other) => other.name === name))
    return expectStatus(made, 409, 'name_taken')
  expectStatus(made, 201)
  const sandbox: Modelled = { id: textAt(made.json, 'data', 'id'), name, state: 'running', tags, memory: [] }
  expectRecord(at(made.json, 'data'), sandbox)
  if (isRun) assert.equal(at(made.json, 'exec', 'stdout'), 'hello\n')
  tenant.sandboxes.set(sandbox.id, sandbox)
  machineOf(world, sandbox.id)
  const again = await send()
  assert.deepEqual([again.text, again.headers.get('idempotent-replayed')], [made.text, 'true'])
}

const list: OnTenant = async (world, tenant) => {
  const answer = await ask(world, tenant, '/v1/sandboxes')
  const rows = at(answer.json, 'data') as unknown[]
  const living = rows.filter((row) => at(row, 'state') !== 'error')
  const newestFirst = [...tenant.sandboxes.values()].sort((a, b) => (a.id < b.id ? 1 : -1))
  assert.deepEqual(
    living.map((row) => at(row, 'id')),
    newestFirst.map(({ id }) => id),
  )
  for (const [place, row] of living.entries()) expectRecord(row, newestFirst[place] as Modelled)
}

/** A host that says no costs nothing but a second try; one whose answer is lost is asked again. */
const createWithMishap: OnTenant = async (world, tenant) => {
  const host = pick(world, world.hosts)
  const busy = new AppError('capacity_exhausted', 'It is busy.')
  host.mishaps.push(pick(world, [{ kind: 'refuse', error: busy }, { kind: 'die_before_ready' }, { kind: 'nonsense' }]))
  if (!isFull(tenant)) {
    const made = await ask(world, tenant, '/v1/sandboxes', { method: 'POST', body: {} })
    expectStatus(made, 201)
    const sandbox: Modelled = {
      id: textAt(made.json, 'data', 'id'),
      name: null,
      state: 'running',
      tags: [],
      memory: [],
    }
    tenant.sandboxes.set(sandbox.id, sandbox)
  }
  for (const one of world.hosts) one.mishaps.length = 0
}

const get: OnSandbox = async (world, tenant, sandbox) => {
  const reference = sandbox.name !== null && world.draw() < 0.5 ? sandbox.name : sandbox.id
  const answer = await ask(world, tenant, `/v1/sandboxes/${reference}`)
  expectStatus(answer, 200)
  expectRecord(at(answer.json, 'data'), sandbox)
}

const getOfStranger: OnSandbox = async (world, tenant, { id }) => {
  const stranger = world.tenants.find((other) => other !== tenant)
  assert.ok(stranger)
  expectStatus(await ask(world, stranger, `/v1/sandboxes/${id}`), 404, 'sandbox_not_found')
  expectStatus(await ask(world, stranger, `/v1/sandboxes/${id}`, { method: 'DELETE' }), 404, 'sandbox_not_found')
}

const exec: OnSandbox = async (world, tenant, sandbox) => {
  const mustWake = sandbox.state === 'paused'
  const body = { command: 'echo there' }
  const answer = await ask(world, tenant, `/v1/sandboxes/${sandbox.id}/exec`, { method: 'POST', body })
  if (mustWake && isFull(tenant)) return expectStatus(answer, 429, 'concurrency_limit')
  expectStatus(answer, 200)
  assert.equal(at(answer.json, 'data', 'stdout'), 'there\n')
  sandbox.state = 'running'
}

const pause: OnSandbox = async (world, tenant, sandbox) => {
  expectStatus(await ask(world, tenant, `/v1/sandboxes/${sandbox.id}/pause`, { method: 'POST' }), 200)
  sandbox.state = 'paused'
  assert.equal(machineOf(world, sandbox.id).vm.state, 'paused')
}

const resume: OnSandbox = async (world, tenant, sandbox) => {
  const answer = await ask(world, tenant, `/v1/sandboxes/${sandbox.id}/resume`, { method: 'POST' })
  if (sandbox.state === 'paused' && isFull(tenant)) return expectStatus(answer, 429, 'concurrency_limit')
  expectStatus(answer, 200)
  sandbox.state = 'running'
  assert.equal(machineOf(world, sandbox.id).vm.state, 'running')
}

const extend: OnSandbox = async (world, tenant, sandbox) => {
  const body = { timeout_sec: 1_000 }
  const answer = await ask(world, tenant, `/v1/sandboxes/${sandbox.id}/extend`, { method: 'POST', body })
  if (sandbox.state === 'running') expectStatus(answer, 200)
  expectRecord(at((await ask(world, tenant, `/v1/sandboxes/${sandbox.id}`)).json, 'data'), sandbox)
}

const update: OnSandbox = async (world, tenant, sandbox) => {
  const tags = world.draw() < 0.5 ? ['two', 'three'] : []
  const answer = await ask(world, tenant, `/v1/sandboxes/${sandbox.id}`, { method: 'PATCH', body: { tags } })
  expectStatus(answer, 200)
  sandbox.tags = tags
  expectRecord(at(answer.json, 'data'), sandbox)
}

const destroy: OnSandbox = async (world, tenant, { id }) => {
  expectStatus(await ask(world, tenant, `/v1/sandboxes/${id}`, { method: 'DELETE' }), 204)
  expectStatus(await ask(world, tenant, `/v1/sandboxes/${id}`), 404, 'sandbox_not_found')
  tenant.sandboxes.delete(id)
  assert.ok(world.hosts.every(({ vms }) => !vms.has(id)))
}

/** Commands that come at once may end in several ways, but in none that leaves the sandbox in between. */
const everythingAtOnce: OnSandbox = async (world, tenant, sandbox) => {
  const path = `/v1/sandboxes/${sandbox.id}`
  const calls = ['pause', 'resume', 'exec'].map((verb) =>
    ask(world, tenant, `${path}/${verb}`, { method: 'POST', body: verb === 'exec' ? { command: 'echo x' } : {} }),
  )
  for (const { status, text } of await Promise.all(calls)) assert.ok([200, 409, 429].includes(status), text)
  let state: unknown
  await until('the sandbox to be one thing or the other', async () => {
    state = at((await ask(world, tenant, path)).json, 'data', 'state')
    return (state === 'running' || state === 'paused') && machineOf(world, sandbox.id).vm.state === state
  })
  sandbox.state = state as Modelled['state']
}

const loseMachine: OnSandbox = async (world, tenant, { id }) => {
  machineOf(world, id).host.vms.delete(id)
  await until('the loss to be seen', async () => {
    return at((await ask(world, tenant, `/v1/sandboxes/${id}`)).json, 'data', 'state') === 'error'
  })
  tenant.sandboxes.delete(id)
}

const timeOut: OnSandbox = async (world, tenant, sandbox) => {
  machineOf(world, sandbox.id).vm.state = 'paused'
  sandbox.state = 'paused'
  await until('the pause to be seen', async () => {
    return at((await ask(world, tenant, `/v1/sandboxes/${sandbox.id}`)).json, 'data', 'state') === 'paused'
  })
}

/** How likely each is, beside the others. What has to wait for the reconciler is rare, for the sake of time. */
export const ON_TENANT: [weight: number, command: OnTenant][] = [
  [30, create],
  [3, createWithMishap],
  [5, list],
  ...COPY_ON_TENANT,
]
export const ON_SANDBOX: [weight: number, command: OnSandbox][] = [
  [10, get],
  [3, getOfStranger],
  [12, exec],
  [12, pause],
  [10, resume],
  [4, extend],
  [5, update],
  [14, destroy],
  [4, everythingAtOnce],
  [0.5, loseMachine],
  [0.5, timeOut],
  ...COPY_ON_SANDBOX,
]

export async function doSomething(world: World): Promise<string> {
  const tenant = pick(world, world.tenants)
  const sandboxes = [...tenant.sandboxes.values()]
  if (sandboxes.length === 0 || world.draw() < 0.35) {
    const command = drawBy(world, ON_TENANT)
    await command(world, tenant)
    return command.name
  }
  const command = drawBy(world, ON_SANDBOX)
  await command(world, tenant, pick(world, sandboxes))
  return command.name
}

function drawBy<T>({ draw }: World, table: [number, T][]): T {
  let left = draw() * table.reduce((sum, [weight]) => sum + weight, 0)
  for (const [weight, one] of table) {
    left -= weight
    if (left < 0) return one
  }
  throw new Error('The table is empty.')
}
