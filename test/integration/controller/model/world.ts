/**
 * The model: what a region should say, kept in a few maps. Every answer of the real one is compared with it at once.
 *
 *   counted = running sandboxes of the tenant; a create or a wake at the limit is refused, and nothing else is
 */
import assert from 'node:assert/strict'
import type { HostDouble } from '../support/host-double.ts'
import { type Account, type Answer, type Ask, at, type TestRegion } from '../support/region.ts'

export type Modelled = {
  id: string
  name: string | null
  state: 'running' | 'paused'
  tags: string[]
  /** What it was told to remember. */
  memory: string[]
}
export type Kept = { id: string; of: string; memory: string[] }
export type Tenant = Account & { limit: number; sandboxes: Map<string, Modelled>; snapshots: Map<string, Kept> }
export type World = {
  region: TestRegion
  hosts: HostDouble[]
  tenants: Tenant[]
  /** Of the controllers that serve now. */
  urls: () => string[]
  draw: () => number
}

export type OnTenant = (world: World, tenant: Tenant) => Promise<void>
export type OnSandbox = (world: World, tenant: Tenant, sandbox: Modelled) => Promise<void>

export const pick = <T>({ draw }: World, from: readonly T[]): T => {
  const one = from[Math.floor(draw() * from.length)]
  if (one === undefined) throw new Error('There is nothing to pick from.')
  return one
}

/** At any of the controllers: none of them is special. */
export async function ask(world: World, tenant: Tenant, path: string, options: Ask = {}): Promise<Answer> {
  const response = await fetch(pick(world, world.urls()) + path, {
    method: options.method ?? 'GET',
    headers: { authorization: `Bearer ${tenant.key}`, ...options.headers },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, text, json: text === '' ? {} : JSON.parse(text) }
}

/** How many more may run. */
export const roomOf = ({ sandboxes, limit }: Tenant): number =>
  limit - [...sandboxes.values()].filter(({ state }) => state === 'running').length
export const isFull = (tenant: Tenant): boolean => roomOf(tenant) <= 0

export function expectStatus(answer: Answer, status: number, code?: string): void {
  assert.deepEqual([answer.status, at(answer.json, 'error', 'code')], [status, code], answer.text)
}

export function expectRecord(record: unknown, { id, name, state, tags }: Modelled): void {
  const said = { id: at(record, 'id'), name: at(record, 'name'), state: at(record, 'state'), tags: at(record, 'tags') }
  assert.deepEqual(said, { id, name, state, tags })
}

export const machineOf = ({ hosts }: World, id: string) => {
  const host = hosts.find(({ vms }) => vms.has(id))
  const vm = host?.vms.get(id)
  assert.ok(host !== undefined && vm !== undefined, `${id} has no machine`)
  return { host, vm }
}
