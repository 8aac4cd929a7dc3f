/** Reads server-sent events as a client does: frames in order, and the last id it was told. */
import { until } from './region.ts'

export type Frame = { event: string; id: string; data: Record<string, unknown> }
export type SseReader = {
  status: number
  headers: Headers
  frames: Frame[]
  /** The last id of the stream, that of a frame without data included. */
  lastId: string
  hasEnded: boolean
  /** Waits until this many frames have come. */
  take(count: number): Promise<Frame[]>
  ended(): Promise<void>
  close(): void
}

export async function readSse(url: string, headers: Record<string, string>): Promise<SseReader> {
  const leaving = new AbortController()
  const response = await fetch(url, { headers, signal: leaving.signal })
  const reader: SseReader = {
    status: response.status,
    headers: response.headers,
    frames: [],
    lastId: '',
    hasEnded: false,
    async take(count) {
      await until(`${count} frames`, () => reader.frames.length >= count || reader.hasEnded)
      return reader.frames
    },
    ended: () => until('the end of the stream', () => reader.hasEnded),
    close: () => leaving.abort(),
  }
  void pump(response, reader).catch(() => {
    reader.hasEnded = true
  })
  return reader
}

async function pump(response: Response, reader: SseReader): Promise<void> {
  let rest = ''
  const decoder = new TextDecoder()
  for await (const chunk of response.body ?? []) {
    rest += decoder.decode(chunk, { stream: true })
    const blocks = rest.split('\n\n')
    rest = blocks.pop() ?? ''
    for (const block of blocks) readBlock(block, reader)
  }
  reader.hasEnded = true
}

function readBlock(block: string, reader: SseReader): void {
  const field = (name: string): string | undefined =>
    block
      .split('\n')
      .find((line) => line.startsWith(`${name}: `))
      ?.slice(name.length + 2)
  reader.lastId = field('id') ?? reader.lastId
  const data = field('data')
  if (data === undefined) return
  reader.frames.push({ event: field('event') ?? '', id: field('id') ?? '', data: JSON.parse(data) })
}
