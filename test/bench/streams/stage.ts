/** One region with one real machine, and its commands and streams as a client has them. */
import { createSmall, type RealRegion, startRealRegion } from '../../harness/real-region.ts'

export type Stage = RealRegion & {
  sandbox: string
  /** An answer to a request about the sandbox; a body makes it a POST. */
  send(path: string, body?: object, headers?: Record<string, string>, signal?: AbortSignal): Promise<Response>
}

export async function setStage(): Promise<Stage> {
  const real = await startRealRegion({ ATOLL_ACCEL: 'auto' })
  const sandbox = await createSmall(real.region, { timeout_sec: 3_600 })
  return {
    ...real,
    sandbox,
    send: (path, body, headers = {}, signal) =>
      fetch(`${real.region.url}/v1/sandboxes/${sandbox}${path}`, {
        method: body === undefined ? 'GET' : 'POST',
        headers: { authorization: `Bearer ${real.region.key}`, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal === undefined ? {} : { signal }),
      }),
  }
}

export const NDJSON = { accept: 'application/x-ndjson' }

export type Said = { type: string; line?: string }

/** The events of a stream, as they come. */
export async function* eventsOf(answer: Response): AsyncGenerator<Said> {
  const decoder = new TextDecoder()
  let rest = ''
  for await (const chunk of answer.body ?? []) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield JSON.parse(line)
  }
}
