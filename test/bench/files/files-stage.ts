/** Every way to the files of one real machine: the host's own socket, a region, the edge; and the wire itself, by a port of the machine. */

import { Daemon } from '../../harness/host-daemon.ts'
import { childrenNamed } from '../../harness/watch-memory.ts'
import { embedded } from '../../integration/controller/support/databases.ts'
import { startRegion, textAt } from '../../integration/controller/support/region.ts'
import { EDGE_ENV, startSpawnedSite } from '../../integration/edge/stage/spawned-site.ts'

/** Where one kind of transfer begins: a POST or PUT up, a GET or a POST without a body down. */
export type Way = { name: string; up: Target; down: Target }
export type Target = { url: URL; socketPath?: string; method: string; headers: Record<string, string> }

export type FilesStage = {
  accel: string
  ways: Way[]
  /** The processes that the bytes pass, by name. */
  processes: Record<string, number>
  stop(): Promise<void>
}

/** What is written over a file stands beside it until it is whole. */
const COPIES = 2
const DISK_SPARE_MIB = 1_024
const SINK = 9_001
const SOURCE = 9_002

/** Listens on two ports: takes what comes and says how much, and gives as many zeros as the bench moves. */
const wireServer = (bytes: number): string => `setsid python3 -c '
import socket, threading
def serve(port, talk):
    server = socket.create_server(("127.0.0.1", port))
    while True:
        connection, _ = server.accept()
        threading.Thread(target=talk, args=(connection,)).start()
def sink(connection):
    buffer, count = bytearray(1 << 20), 0
    while count < ${bytes}:
        count += connection.recv_into(buffer)
    connection.sendall(b"whole")
    connection.close()
def source(connection):
    piece = bytes(1 << 20)
    for _ in range(${bytes} >> 20):
        connection.sendall(piece)
    connection.close()
threading.Thread(target=serve, args=(${SOURCE}, source)).start()
serve(${SINK}, sink)
' > /dev/null 2>&1 < /dev/null &
for n in $(seq 100); do (exec 3<> /dev/tcp/127.0.0.1/${SINK}) 2> /dev/null && break; sleep 0.1; done`

export async function setFilesStage(bytes: number): Promise<FilesStage> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step()
  }
  try {
    const daemon = await Daemon.start({ ATOLL_ACCEL: 'auto' })
    undo.push(() => daemon.stop())
    const server = await embedded.open()
    undo.push(() => server.remove())
    const socketPath = `${daemon.directory}/hostd.sock`
    const database = await server.createDatabase()
    const env = { ...EDGE_ENV, ATOLL_HOSTS: `real=unix:${socketPath}` }
    const region = await startRegion(database, { env })
    undo.push(() => region.close())
    const site = await startSpawnedSite({ database, region, hosts: [{ name: 'real', socketPath }] })
    undo.push(() => site.stop())
    const { key } = site.account
    const disk_size_mb = 2 ** Math.ceil(Math.log2(COPIES * (bytes >> 20) + DISK_SPARE_MIB))
    const made = await region.ask('/v1/sandboxes', {
      method: 'POST',
      key,
      body: { cpu_count: 1, memory_mb: 512, disk_size_mb, timeout_sec: 7_200 },
    })
    const sandbox = textAt(made.json, 'data', 'id')
    const command = wireServer(bytes)
    await region.ask(`/v1/sandboxes/${sandbox}/exec`, { method: 'POST', key, body: { command } })
    const atHost = (method: string, path: string): Target => ({
      url: new URL(`http://host/v1/vms/${sandbox}${path}`),
      socketPath,
      method,
      headers: {},
    })
    const atUrl = (method: string, base: URL | string): Target => ({
      url: new URL(`/v1/sandboxes/${sandbox}/files/workspace/bench`, base),
      method,
      headers: { authorization: `Bearer ${key}` },
    })
    const file = '/guest/files?path=/workspace/bench'
    const [workerd = 0] = childrenNamed('workerd')
    return {
      accel: (await daemon.capacity()).accel,
      ways: [
        { name: 'the wire', up: atHost('POST', `/ports/${SINK}`), down: atHost('POST', `/ports/${SOURCE}`) },
        { name: 'the host', up: atHost('PUT', file), down: atHost('GET', file) },
        {
          name: 'a region',
          up: atUrl('PUT', site.controller.url ?? ''),
          down: atUrl('GET', site.controller.url ?? ''),
        },
        { name: 'the edge', up: atUrl('PUT', site.edge.url), down: atUrl('GET', site.edge.url) },
      ],
      processes: { hostd: daemon.pid, controller: site.controller.pid ?? 0, workerd },
      stop,
    }
  } catch (thrown) {
    await stop()
    throw thrown
  }
}
