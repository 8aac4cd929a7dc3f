/** Code in a machine of a host, as a controller has it run. */

import { Pool } from 'undici'
import { type CodeEvent, codeEvents } from '../../../origin/controller/code/code-events.ts'
import type { CodeResult } from '../../../shared/contracts/code-fields.ts'
import type { GuestCodeOrder } from '../../../shared/contracts/guest-code.ts'
import type { Daemon } from '../../harness/host-daemon.ts'

const OUTPUT_BYTES_MAX = 64 * 1024
const TIMEOUT_MS = 120_000

export type Ran = { results: CodeResult[]; shown: string | undefined; count: number; ms: number }

/** In the Python that every machine has. */
export async function runPython(host: Daemon, id: string, code: string): Promise<Ran> {
  const order: GuestCodeOrder = {
    code,
    language: 'python',
    env: {},
    timeout_ms: TIMEOUT_MS,
    output_bytes_max: OUTPUT_BYTES_MAX,
  }
  const client = new Pool('http://host', { socketPath: `${host.directory}/hostd.sock`, bodyTimeout: 2 * TIMEOUT_MS })
  try {
    const began = performance.now()
    const { body } = await client.request({
      method: 'POST',
      path: `/v1/vms/${id}/guest/code`,
      headers: { 'atoll-work': '1' },
      body: JSON.stringify(order),
    })
    const events: CodeEvent[] = []
    for await (const batch of codeEvents(body, OUTPUT_BYTES_MAX)) events.push(...batch)
    const results = events.flatMap((event) => (event.type === 'result' ? [event.result] : []))
    const count = events.find((event) => event.type === 'started')?.started.execution_count ?? -1
    return { results, shown: results[0]?.text, count, ms: performance.now() - began }
  } finally {
    await client.destroy()
  }
}
