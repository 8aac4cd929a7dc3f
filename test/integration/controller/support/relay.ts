/** A wire between two servers of a test that can be cut, and mended towards another one. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type Relay = {
  url: string
  /** From now on nothing gets through, and what was open breaks. */
  cut(): void
  mend(targetUrl: string): void
  close(): Promise<void>
}

export async function startRelay(targetUrl: string): Promise<Relay> {
  let target: string | undefined = targetUrl
  const open = new Set<Socket>()
  const keep = (socket: Socket, other: Socket): void => {
    open.add(socket)
    socket.on('error', () => other.destroy())
    socket.on('close', () => {
      open.delete(socket)
      other.destroy()
    })
  }
  const server = createServer((socket) => {
    if (target === undefined) return void socket.destroy()
    const { hostname, port } = new URL(target)
    const onward = connect(Number(port), hostname)
    keep(socket, onward)
    keep(onward, socket)
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const cut = (): void => {
    target = undefined
    for (const socket of open) socket.destroy()
  }
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    mend: (towards) => {
      target = towards
    },
    async close() {
      cut()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
