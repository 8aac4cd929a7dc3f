/** Ports of sandboxes, what listens on them, and visitors whom the edge vouches for. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { PREVIEW_ROUTES } from '../../../../shared/contracts/previews.ts'
import { type PassClaims, PREVIEW_PASS } from '../../../../shared/preview-words.ts'
import { previewPass, type TestRegion, textAt } from './region.ts'

export const AUDIENCE = PREVIEW_PASS.audience('usw1')
export const PORT = 3_000

type Serve = (request: IncomingMessage, response: ServerResponse) => void

export function previewVisits(regionOf: () => TestRegion) {
  const create = async (): Promise<string> =>
    textAt((await regionOf().ask('/v1/sandboxes', { method: 'POST', body: {} })).json, 'data', 'id')
  const post = (path: string, body: object) => regionOf().ask(path, { method: 'POST', body: { ...body } })
  const open = async (sandbox: string, visibility: string, port = PORT): Promise<string> => {
    const answer = await post(`/v1/sandboxes/${sandbox}/previews`, { port, visibility })
    assert.equal(answer.status, 201, answer.text)
    PREVIEW_ROUTES.create.answer.parse(answer.json)
    return textAt(answer.json, 'data', 'id')
  }

  /** Something that listens on a port of every machine. */
  async function listen(t: TestContext, serve: Serve, port = PORT): Promise<void> {
    const server = createServer(serve).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { host } = regionOf()
    host.servers.set(port, (server.address() as AddressInfo).port)
    t.after(() => {
      host.servers.delete(port)
      server.close().closeAllConnections()
    })
  }

  const pathOf = (sandbox: string, path = '/', port = PORT): string => `${PREVIEW_PASS.path}/${sandbox}/${port}${path}`
  async function visit(
    sandbox: string,
    path = '/',
    { claims = {}, ...init }: RequestInit & { claims?: Partial<PassClaims> } = {},
  ) {
    const target = pathOf(sandbox, path, claims.port)
    const method = init.method ?? 'GET'
    const pass = await previewPass({ sandbox, port: PORT, method, ...claims }, target, AUDIENCE)
    const headers = new Headers(init.headers)
    headers.set(PREVIEW_PASS.header, pass)
    return fetch(regionOf().url + target, { redirect: 'manual', ...init, headers })
  }
  return { create, post, open, listen, pathOf, visit }
}
