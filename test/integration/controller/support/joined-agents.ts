/** One agent out of several doubles, each of which serves the routes below its path. */
import type { Agent } from './host-double.ts'

/** The first whose path fits. */
export const joinedAgents =
  (agents: readonly [path: string, agent: Agent][]): Agent =>
  (request, response, id) => {
    const found = agents.find(([path]) => request.url?.startsWith(path))
    if (found === undefined) return void response.writeHead(404).end('{"code":"not_found","message":"No such route."}')
    found[1](request, response, id)
  }
