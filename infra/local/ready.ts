/** Waiting until the stack truly works, and saying meanwhile what it is busy with. */
import { setTimeout as sleep } from 'node:timers/promises'
import { request } from 'undici'
import { shownPath } from './layout.ts'
import { type RegionSetting, readCapacity } from './region-services.ts'

const READY_WAIT_MS = 300_000
const POLL_MS = 250
const ANSWER_WAIT_MS = 10_000

/** Until the region takes sandboxes and its pool is full; the first time, templates are booted for it. */
export async function waitForRegion(
  setting: RegionSetting,
  log: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const { config, region, secrets, layout } = setting
  let said = ''
  await until(
    signal,
    `Region ${region.code} did not become ready. Its logs are in ${shownPath(layout.logDir)}.`,
    async () => {
      const capacity = await readCapacity(region, secrets)
      const pooled = Object.values(capacity?.pool ?? {}).reduce((sum, count) => sum + count, 0)
      const says =
        capacity === null
          ? 'starting the database and the controller'
          : !capacity.accepting
            ? 'waiting for the host: it boots each template once and keeps it'
            : pooled < config.poolSize
              ? `priming machines: ${pooled} of ${config.poolSize}`
              : 'waiting for the accounts'
      if (says !== said) log(says)
      said = says
      return (
        capacity?.accepting === true && pooled >= config.poolSize && (await serves(region.url, secrets.apiKey, signal))
      )
    },
  )
}

/** Until the edge serves a request of the key from end to end. */
export async function waitForRun(edgeUrl: string, apiKey: string, signal: AbortSignal): Promise<void> {
  await until(signal, 'The edge did not become ready.', () => serves(edgeUrl, apiKey, signal))
}

/** Whether the key is known there, too. */
async function serves(url: string, apiKey: string, signal: AbortSignal): Promise<boolean> {
  const answer = await request(`${url}/v1/sandboxes?limit=1`, {
    headers: { authorization: `Bearer ${apiKey}` },
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WAIT_MS)]),
  })
  await answer.body.dump()
  return answer.statusCode === 200
}

async function until(signal: AbortSignal, failure: string, isDone: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + READY_WAIT_MS
  while (!(await isDone().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(failure)
    await sleep(POLL_MS, undefined, { signal })
  }
}
