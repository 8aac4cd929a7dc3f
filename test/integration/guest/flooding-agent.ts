/** A hostile agent in a thread of its own: it shakes hands, and then sends one kind of HTTP/2 frame as fast as it is taken. */
import { createServer, type Socket } from 'node:net'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

const CHUNK_BYTES = 64 * 1024

function frame(type: number, flags: number, stream: number, payload: readonly number[]): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, Buffer.from(payload)])
}

const SETTINGS = frame(4, 0, 0, [])
/** `:status: 200`, and `:status: 103`, as HPACK spells them. */
const OK = frame(1, 4, 1, [0x88])
const EARLY = frame(1, 4, 1, [0x08, 3, 0x31, 0x30, 0x33])
const zeros = (count: number): number[] => Array.from({ length: count }, () => 0)

/** What comes first, and what then comes for ever. */
export const FLOODS = {
  pings: [[], frame(6, 0, 0, zeros(8))],
  settings: [[], frame(4, 0, 0, zeros(6))],
  'window updates': [[], frame(8, 0, 0, [0, 0, 0, 1])],
  'window updates of one request': [[OK], frame(8, 0, 1, [0, 0, 0, 1])],
  'windows beyond all measure': [[OK], frame(8, 0, 0, [0x7f, 0xff, 0xff, 0xff])],
  priorities: [[], frame(2, 0, 3, [0, 0, 0, 1, 1])],
  resets: [[OK], frame(3, 0, 1, zeros(4))],
  'empty data': [[OK], frame(0, 0, 1, [])],
  'data of one byte': [[OK], frame(0, 0, 1, [1])],
  padding: [[OK], frame(0, 8, 1, [255, ...zeros(255)])],
  'early hints': [[], EARLY],
  'headers that go on': [[frame(1, 0, 1, [0x88])], frame(9, 0, 1, zeros(10).fill(0x88))],
  'alternative services': [[], frame(10, 0, 0, [0, 1, 0x61, 0x62])],
  origins: [[], frame(12, 0, 0, [0, 1, 0x61])],
  'pushed requests': [[], frame(5, 4, 1, [0, 0, 0, 2, 0x82])],
  'frames of no known type': [[], frame(0xaa, 0, 0, [])],
} as const satisfies Record<string, readonly [readonly Buffer[], Buffer]>
export type Flood = keyof typeof FLOODS

export type FloodingAgent = { dataPath: string; controlPath: string; stop: () => Promise<unknown> }

export async function startFlood(directory: string, flood: Flood): Promise<FloodingAgent> {
  const paths = { dataPath: `${directory}/data`, controlPath: `${directory}/control` }
  const worker = new Worker(new URL(import.meta.url), { workerData: { flood, ...paths } })
  await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject))
  return { ...paths, stop: () => worker.terminate() }
}

function serve(flood: Flood, dataPath: string, controlPath: string): void {
  const [first, again] = FLOODS[flood]
  const chunk = Buffer.concat(Array.from({ length: Math.ceil(CHUNK_BYTES / again.length) }, () => again))
  let data: Socket | undefined
  createServer((socket) => {
    data = socket.on('error', () => {})
  }).listen(dataPath, () => {
    createServer((control) => {
      control
        .on('error', () => {})
        .on('data', (line) => {
          const nonce = /hello (\w+)\n/.exec(line.toString())?.[1]
          const socket = data
          if (socket === undefined || nonce === undefined) return
          socket.write(`\nready ${nonce}\n`)
          let heard = ''
          socket.on('data', (bytes: Buffer) => {
            // What follows is the host's own HTTP/2, which begins with a request for stream 1.
            if (heard.includes('PRI *')) return
            heard += bytes.toString('latin1')
            if (!heard.includes('PRI *')) return
            socket.write(Buffer.concat([SETTINGS, ...first]))
            pour(socket, chunk)
          })
        })
    }).listen(controlPath, () => parentPort?.postMessage('ready'))
  })
}

function pour(socket: Socket, chunk: Buffer): void {
  while (!socket.destroyed && socket.write(chunk));
  if (!socket.destroyed) socket.once('drain', () => pour(socket, chunk))
}

if (!isMainThread && workerData?.flood !== undefined)
  serve(workerData.flood, workerData.dataPath, workerData.controlPath)
