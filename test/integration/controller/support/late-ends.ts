/** An agent whose answers end a moment after their last word, as they do when each comes through a machine, and where it was asked. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

type Agent = (request: IncomingMessage, response: ServerResponse, sandbox?: string) => void

const MOMENT_MS = 5

/**
 * `connections` are those that the requests came on; `endings` is how many answers have ended. Of what is posted: a region asks for things
 * by itself, too, meanwhile.
 */
export function endingLate(agent: Agent): { agent: Agent; connections: Set<Socket>; endings(): number } {
  const connections = new Set<Socket>()
  let ended = 0
  return {
    connections,
    endings: () => ended,
    agent(request, response, sandbox) {
      if (request.method !== 'POST') return agent(request, response, sandbox)
      connections.add(request.socket)
      const end = response.end.bind(response)
      response.end = ((): ServerResponse => {
        setTimeout(() => end(() => (ended += 1)), MOMENT_MS)
        return response
      }) as ServerResponse['end']
      agent(request, response, sandbox)
    },
  }
}
