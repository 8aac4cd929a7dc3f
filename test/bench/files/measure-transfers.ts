/** How fast bytes go in and out on each way, and how much memory they take of the processes that they pass. */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { growthOf } from '../../harness/watch-memory.ts'
import type { FilesStage, Target } from './files-stage.ts'

export type Transfer = {
  way: string
  direction: 'up' | 'down'
  mibPerSec: number
  /** Bytes that each process had more at most while it passed. */
  growth: Record<string, number>
}

const PIECE = Buffer.alloc(1024 * 1024, 'atoll')

/** Up and then down, way by way: what is read was written just before. */
export async function measureTransfers({ ways, processes }: FilesStage, bytes: number): Promise<Transfer[]> {
  const transfers: Transfer[] = []
  for (const way of ways)
    for (const direction of ['up', 'down'] as const) {
      let ms = 0
      const growth = await growths(processes, async () => {
        const since = performance.now()
        await (direction === 'up' ? send(way.up, bytes) : take(way.down, bytes))
        ms = performance.now() - since
      })
      const mibPerSec = bytes / 1_048_576 / (ms / 1_000)
      transfers.push({ way: way.name, direction, mibPerSec, growth })
      console.log(`${way.name}, ${direction}: ${mibPerSec.toFixed(1)} MiB/s`)
    }
  return transfers
}

async function growths(processes: Record<string, number>, work: () => Promise<void>): Promise<Record<string, number>> {
  const grown: Record<string, number> = {}
  const watched = Object.entries(processes).reduce<() => Promise<void>>(
    (inner, [name, pid]) =>
      async () => {
        grown[name] = await growthOf(pid, inner)
      },
    work,
  )
  await watched()
  return grown
}

async function send(target: Target, bytes: number): Promise<void> {
  const answered = open(target, { 'content-length': String(bytes) }, (request) => pieces(bytes).pipe(request))
  for await (const _ of await answered);
}

async function take(target: Target, bytes: number): Promise<void> {
  let taken = 0
  const answer = await open(target, {}, (request) => request.end())
  for await (const chunk of answer) taken += (chunk as Buffer).length
  if (taken !== bytes) throw new Error(`${taken} bytes came of ${bytes}.`)
}

function open(
  { url, socketPath, method, headers }: Target,
  more: Record<string, string>,
  send: (request: ReturnType<typeof httpRequest>) => void,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const at = socketPath === undefined ? {} : { socketPath }
    const request = httpRequest(url, { ...at, method, headers: { ...headers, ...more }, agent: false })
    request.once('error', reject).once('response', (response) => {
      if (response.statusCode === 200) return resolve(response)
      reject(new Error(`${method} ${url.pathname} was answered with ${response.statusCode}.`))
    })
    send(request)
  })
}

function pieces(bytes: number): Readable {
  let left = bytes
  return new Readable({
    highWaterMark: PIECE.length,
    read() {
      const piece = PIECE.subarray(0, left)
      left -= piece.length
      this.push(piece.length === 0 ? null : piece)
    },
  })
}
