/** One region with one real machine, and its commands and streams as a client has them. */
import { type Dispatcher, Pool } from 'undici'
import { createSmall, type RealRegion, startRealRegion } from '../../harness/real-region.ts'

export type Stage = RealRegion & {
  sandbox: string
  /**
   * An answer to a request about the sandbox; a body makes it a POST. By the client that the host alone is asked with, so that what one
   * takes longer than the other is the region's.
   */
  send(path: string, body?: object, headers?: Record<string, string>, signal?: AbortSignal): Promise<Answer>
}

export type Answer = Dispatcher.ResponseData

export async function setStage(): Promise<Stage> {
  const real = await startRealRegion({ ATOLL_ACCEL: 'auto' })
  const sandbox = await createSmall(real.region, { timeout_sec: 3_600 })
  const client = new Pool(real.region.url, { bodyTimeout: 0 })
  return {
    ...real,
    sandbox,
    send: (path, body, headers = {}, signal) =>
      client.request({
        path: `/v1/sandboxes/${sandbox}${path}`,
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${real.region.key}`, ...headers },
        body: body === undefined ? null : JSON.stringify(body),
        ...(signal === undefined ? {} : { signal }),
      }),
    async stop() {
      await client.destroy()
      await real.stop()
    },
  }
}

export const NDJSON = { accept: 'application/x-ndjson' }

export type Said = { type: string; line?: string }

/** The events of a stream, as they come. */
export async function* eventsOf({ body }: Answer): AsyncGenerator<Said> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of body as AsyncIterable<Uint8Array>) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line)
  }
}
