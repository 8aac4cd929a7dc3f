/** A region whose machines have an agent for files, and a client that sends and takes bytes. */
import { after, before } from 'node:test'
import { embedded, type TestServer } from '../support/databases.ts'
import { type FileAgent, fileAgent } from '../support/file-agent.ts'
import { startRegion, type TestRegion, textAt } from '../support/region.ts'

export type FileStage = {
  region(): TestRegion
  agent(): FileAgent
  /** A new sandbox's id. */
  create(): Promise<string>
  /** Below the sandbox's path. */
  ask(sandbox: string, path: string, init?: RequestInit & { key?: string | null; duplex?: 'half' }): Promise<Response>
  post(sandbox: string, path: string, body: unknown): Promise<Response>
}

export const codeOf = async (response: Response): Promise<string> => textAt(await response.json(), 'error', 'code')

/** Within a `describe`: it is there for all of its tests. */
export function setFileStage(env: Record<string, string> = {}): FileStage {
  let server: TestServer | undefined
  let region: TestRegion | undefined
  let agent: FileAgent | undefined
  before(async () => {
    server = await embedded.open()
    region = await startRegion(await server.createDatabase(), { env })
    agent = await fileAgent()
    region.host.agent = agent.answer
  })
  after(async () => {
    await region?.close()
    await agent?.remove()
    await server?.remove()
  })
  const given = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('The stage is not set.')
    return value
  }
  const stage: FileStage = {
    region: () => given(region),
    agent: () => given(agent),
    async create() {
      const made = await given(region).ask('/v1/sandboxes', { method: 'POST', body: {} })
      return textAt(made.json, 'data', 'id')
    },
    ask(sandbox, path, { key = given(region).key, headers, ...init } = {}) {
      const all = new Headers(headers)
      if (key !== null) all.set('authorization', `Bearer ${key}`)
      return fetch(`${given(region).url}/v1/sandboxes/${sandbox}${path}`, { ...init, headers: all })
    },
    post: (sandbox, path, body) => stage.ask(sandbox, path, { method: 'POST', body: JSON.stringify(body) }),
  }
  return stage
}
