/** Every way to one region: directly, by nginx, by a Worker that only passes on, and by the edge, bare and in Miniflare. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startLocalEdge } from '../../../infra/edge/local-edge.ts'
import { DEFAULT_TIERS } from '../../../shared/accounts.ts'
import { startHostDouble } from '../../integration/controller/support/host-double.ts'
import { startControllerProcess } from '../../integration/controller/support/process.ts'
import {
  aKeyRecord,
  aSandboxIn,
  freshKey,
  hashOf,
  PUBLIC_KEY,
  registryOf,
  SECRETS,
} from '../../integration/edge/stage/edge-stage.ts'
import type { Door } from './measure-doors.ts'
import { startRawEdge, startRawPass } from './raw-workerd.ts'
import { startNginx } from './start-nginx.ts'

/** A region, the key that opens it, and a sandbox in it. */
export type Target = { url: string; apiKey: string; tenant: string; sandbox: string }
export type Undo = (() => Promise<unknown>)[]

const INSTANT_REGION = fileURLToPath(new URL('./instant-region.ts', import.meta.url))
const JWKS = JSON.stringify({ keys: [{ ...PUBLIC_KEY.export({ format: 'jwk' }), kid: 'test-1' }] })

/** Takes no time, so that what is measured is the way alone. */
export async function instantRegion(undo: Undo): Promise<Target> {
  const child = fork(INSTANT_REGION)
  undo.push(async () => {
    child.disconnect()
    await once(child, 'exit')
  })
  const [port] = await once(child, 'message')
  return { url: `http://127.0.0.1:${port}`, apiKey: freshKey(), tenant: 'ten_1', sandbox: aSandboxIn('usw1') }
}

/** A controller process with its database; its host has no machines. */
export async function realRegion(undo: Undo): Promise<Target> {
  const host = await startHostDouble('h1')
  undo.push(() => host.close())
  const controller = await startControllerProcess(host)
  undo.push(() => controller.remove())
  await controller.kill('SIGTERM')
  await controller.start({ ATOLL_EDGE_JWKS: JWKS })
  const made = await fetch(`${controller.url}/v1/sandboxes`, {
    method: 'POST',
    headers: { authorization: `Bearer ${controller.key}`, 'content-type': 'application/json' },
    body: '{}',
  })
  const { data } = (await made.json()) as { data?: { id: string } }
  if (data === undefined) throw new Error(`The region made no sandbox: ${made.status}.`)
  return { url: controller.url, apiKey: controller.key, tenant: 'acme', sandbox: data.id }
}

/** nginx is left out where it is not installed. */
export async function openDoors({ url, apiKey, tenant }: Target, undo: Undo): Promise<Door[]> {
  const registry = registryOf({ url }, { url })
  const hash = hashOf(apiKey)
  const record = aKeyRecord({ tenant })
  const nginx = await startNginx(url)
  if (nginx !== null) undo.push(() => nginx.stop())
  const pass = await startRawPass(url)
  undo.push(() => pass.stop())
  const edge = await startRawEdge(SECRETS, {
    'regions:v1': registry,
    'tiers:v1': DEFAULT_TIERS,
    [`k:${hash}`]: record,
  })
  undo.push(() => edge.stop())
  const local = await startLocalEdge({
    host: '127.0.0.1',
    port: 0,
    secrets: SECRETS,
    registry,
    tiers: DEFAULT_TIERS,
    keys: { [hash]: record },
  })
  undo.push(() => local.stop())
  return [
    { name: 'region', url },
    ...(nginx === null ? [] : [{ name: 'nginx', url: nginx.url }]),
    { name: 'empty Worker', url: pass.url },
    { name: 'edge', url: edge.url },
    { name: 'edge in Miniflare', url: local.url.origin },
  ]
}
