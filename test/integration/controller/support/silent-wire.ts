/** A wire to a server that can fall silent: nothing gets through any more, and nothing that is open breaks, as when a network is parted. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export type SilentWire = {
  port: number
  fallSilent(): void
  /** For who connects from now on; what has fallen silent stays so. */
  speak(): void
  close(): Promise<void>
}

export async function startSilentWire(socketPath: string): Promise<SilentWire> {
  const speaking = new Set<Socket>()
  const silent = new Set<Socket>()
  let isSilent = false
  const keep = (socket: Socket, other: Socket): void => {
    speaking.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      if (speaking.delete(socket)) other.destroy()
    })
  }
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    if (isSilent) return void silent.add(socket.on('error', () => {}))
    const onward = connect({ path: socketPath, allowHalfOpen: true })
    keep(socket, onward)
    keep(onward, socket)
    socket.pipe(onward).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as AddressInfo).port,
    fallSilent() {
      isSilent = true
      for (const socket of speaking) silent.add(socket.unpipe().pause())
      speaking.clear()
    },
    speak() {
      isSilent = false
    },
    async close() {
      for (const socket of [...speaking, ...silent]) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
