/** Commands that copy machines: each copy remembers what the original did at that moment, and nothing of what came after. */
import assert from 'node:assert/strict'
import { at, textAt } from '../support/region.ts'
import {
  ask,
  expectRecord,
  expectStatus,
  isFull,
  type Kept,
  type Modelled,
  machineOf,
  type OnSandbox,
  type OnTenant,
  pick,
  roomOf,
  type Tenant,
  type World,
} from './world.ts'

const CHILDREN = [1, 2, 3]
let words = 0

const post = (world: World, tenant: Tenant, path: string, body: object = {}) =>
  ask(world, tenant, path, { method: 'POST', body })

/** Whether the sandbox runs afterwards: a paused one takes a slot, or the answer is that there is none. */
const wakes = (tenant: Tenant, sandbox: Modelled): boolean => {
  if (sandbox.state === 'paused' && isFull(tenant)) return false
  sandbox.state = 'running'
  return true
}

const remember: OnSandbox = async (world, tenant, sandbox) => {
  const word = `w${++words}`
  const isAwake = wakes(tenant, sandbox)
  const answer = await post(world, tenant, `/v1/sandboxes/${sandbox.id}/exec`, { command: `remember ${word}` })
  if (!isAwake) return expectStatus(answer, 429, 'concurrency_limit')
  expectStatus(answer, 200)
  sandbox.memory.push(word)
}

const recall: OnSandbox = async (world, tenant, sandbox) => {
  const isAwake = wakes(tenant, sandbox)
  const answer = await post(world, tenant, `/v1/sandboxes/${sandbox.id}/exec`, { command: 'recall' })
  if (!isAwake) return expectStatus(answer, 429, 'concurrency_limit')
  assert.equal(textAt(answer.json, 'data', 'stdout'), sandbox.memory.join(' '))
}

const fork: OnSandbox = async (world, tenant, sandbox) => {
  const count = pick(world, CHILDREN)
  const isAwake = wakes(tenant, sandbox)
  const answer = await post(world, tenant, `/v1/sandboxes/${sandbox.id}/fork`, { count })
  if (!isAwake || roomOf(tenant) < count) return expectStatus(answer, 429, 'concurrency_limit')
  expectStatus(answer, 201)
  const { host } = machineOf(world, sandbox.id)
  for (const record of at(answer.json, 'data') as unknown[]) {
    const id = textAt(record, 'id')
    const child = { ...sandbox, id, name: null, state: 'running' as const, memory: [...sandbox.memory] }
    expectRecord(record, child)
    tenant.sandboxes.set(id, child)
    assert.equal(machineOf(world, id).host, host, 'a child is where its parent is')
  }
}

const keep: OnSandbox = async (world, tenant, sandbox) => {
  const answer = await post(world, tenant, `/v1/sandboxes/${sandbox.id}/snapshots`)
  expectStatus(answer, 201)
  const id = textAt(answer.json, 'data', 'id')
  tenant.snapshots.set(id, { id, of: sandbox.id, memory: [...sandbox.memory] })
  const now = await ask(world, tenant, `/v1/sandboxes/${sandbox.id}`)
  expectRecord(at(now.json, 'data'), sandbox)
}

const restore: OnSandbox = async (world, tenant, sandbox) => {
  const kept = anyKept(world, tenant)
  if (kept === undefined) return
  const path = `/v1/sandboxes/${sandbox.id}/restore/${kept.id}`
  if (kept.of !== sandbox.id) return expectStatus(await post(world, tenant, path), 404, 'snapshot_not_found')
  const isAwake = wakes(tenant, sandbox)
  const answer = await post(world, tenant, path)
  if (!isAwake) return expectStatus(answer, 429, 'concurrency_limit')
  expectStatus(answer, 200)
  sandbox.memory = [...kept.memory]
  expectRecord(at(answer.json, 'data'), sandbox)
}

const merge: OnSandbox = async (world, tenant, sandbox) => {
  const winner = pick(world, [...tenant.sandboxes.values()])
  const merging = () => post(world, tenant, `/v1/sandboxes/${sandbox.id}/merge`, { winner: winner.id })
  if (winner === sandbox) return expectStatus(await merging(), 422, 'invalid_request')
  if (machineOf(world, winner.id).host !== machineOf(world, sandbox.id).host)
    return expectStatus(await merging(), 409, 'merge_not_possible')
  const isAwake = wakes(tenant, winner)
  const answer = await merging()
  if (!isAwake) return expectStatus(answer, 429, 'concurrency_limit')
  expectStatus(answer, 200)
  tenant.sandboxes.delete(winner.id)
  Object.assign(sandbox, { state: 'running', memory: winner.memory })
  expectRecord(at(answer.json, 'data'), sandbox)
  expectStatus(await ask(world, tenant, `/v1/sandboxes/${winner.id}`), 404, 'sandbox_not_found')
}

const branch: OnTenant = async (world, tenant) => {
  const kept = anyKept(world, tenant)
  if (kept === undefined) return
  const answer = await post(world, tenant, `/v1/snapshots/${kept.id}/fork`)
  if (isFull(tenant)) return expectStatus(answer, 429, 'concurrency_limit')
  expectStatus(answer, 201)
  const id = textAt(answer.json, 'data', 'id')
  tenant.sandboxes.set(id, { id, name: null, state: 'running', tags: [], memory: [...kept.memory] })
}

const forget: OnTenant = async (world, tenant) => {
  const kept = anyKept(world, tenant)
  if (kept === undefined) return
  const path = `/v1/snapshots/${kept.id}`
  expectStatus(await ask(world, tenant, path, { method: 'DELETE' }), 204)
  expectStatus(await ask(world, tenant, path), 404, 'snapshot_not_found')
  tenant.snapshots.delete(kept.id)
}

const anyKept = (world: World, { snapshots }: Tenant): Kept | undefined =>
  snapshots.size === 0 ? undefined : pick(world, [...snapshots.values()])

export const COPY_ON_TENANT: [weight: number, command: OnTenant][] = [
  [6, branch],
  [4, forget],
]
export const COPY_ON_SANDBOX: [weight: number, command: OnSandbox][] = [
  [10, remember],
  [8, recall],
  [7, fork],
  [6, keep],
  [6, restore],
  [6, merge],
]
