/** Ports that nobody listens on now, for servers that must know theirs before they listen, or keep it over a restart. */
import { randomInt } from 'node:crypto'
import { createServer, type Server } from 'node:net'

/** Below those that the kernel gives to whoever asks for any port, so that nobody is given one of these before its server listens. */
const [FIRST_PORT, PORTS_END] = [10_000, 32_000]

/** So many of them. They are all held until the last is known, so that no two are the same. */
export async function freePorts(count: number): Promise<number[]> {
  const held: { port: number; server: Server }[] = []
  while (held.length < count) {
    const port = randomInt(FIRST_PORT, PORTS_END)
    const server = await listenAt(port)
    if (server !== null) held.push({ port, server })
  }
  await Promise.all(held.map(({ server }) => new Promise((resolve) => server.close(resolve))))
  return held.map(({ port }) => port)
}

export async function freePort(): Promise<number> {
  const [port] = await freePorts(1)
  if (port === undefined) throw new Error('One port was asked for, and none came.')
  return port
}

/** Null when somebody else does. */
function listenAt(port: number): Promise<Server | null> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error) => ('code' in error && error.code === 'EADDRINUSE' ? resolve(null) : reject(error)))
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}
