/**
 * Asks a region to take this host in, until it has answered. That it has is kept beside the identity, so a restart joins nothing again;
 * another token, or another address, is another question and is asked.
 */
import { createHash } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { JOIN_ROUTE, type JoinBody, joinAnswer } from '../../../shared/contracts/hosts.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { describe, type Log } from '../log.ts'
import type { Identity } from './identity.ts'

export type Joining = { regionUrl: string; token: string; name: string | undefined; url: string }

const joinedSchema = z.object({ host: z.string(), region: z.string(), question: z.string() })
const refusalSchema = z.object({ error: z.object({ message: z.string(), retry: z.string(), next: z.string() }) })

/** Ends when this host is of the region, when it never will be, or when `stopping` is aborted. Whatever happens is in the log. */
export async function joinRegion(
  joining: Joining,
  identity: Identity,
  stopping: AbortSignal,
  log: Log,
): Promise<'joined' | 'refused' | 'stopped'> {
  const question = createHash('sha256').update(`${joining.token} ${joining.url}`).digest('hex')
  const before = await readJoined(identity)
  if (before?.question === question) {
    log('joined-before', { host: before.host, region: before.region })
    return 'joined'
  }
  for (let wait: number = LIMITS.joinRetryMs; !stopping.aborted; wait = Math.min(2 * wait, LIMITS.joinRetryMsMax)) {
    try {
      const said = await ask(joining, identity, stopping)
      if (said.kind === 'joined') await writeJoined(identity, { ...said.joined, question })
      log(said.kind === 'joined' ? 'joined' : 'join-refused', said.kind === 'joined' ? said.joined : said.refusal)
      return said.kind
    } catch (error) {
      log('join-failed', { ...describe(error), next_ms: wait })
    }
    await sleep(wait, undefined, { signal: stopping }).catch(() => {})
  }
  return 'stopped'
}

type Said =
  | { kind: 'joined'; joined: { host: string; region: string } }
  | { kind: 'refused'; refusal: { url: string; why: string; next: string } }

async function ask({ regionUrl, token, name, url }: Joining, identity: Identity, stopping: AbortSignal): Promise<Said> {
  const { fingerprint, secret } = identity
  const body: JoinBody = { token, url, fingerprint, secret, ...(name === undefined ? {} : { name }) }
  const answer = await fetch(new URL(JOIN_ROUTE.path, regionUrl), {
    method: JOIN_ROUTE.method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    // The token is meant for this address and for no other.
    redirect: 'error',
    signal: AbortSignal.any([stopping, AbortSignal.timeout(LIMITS.hostRequestMs)]),
  })
  const said: unknown = await answer.json()
  if (answer.status === JOIN_ROUTE.status) {
    const { id, region } = joinAnswer.parse(said).data
    return { kind: 'joined', joined: { host: id, region } }
  }
  const { message, retry, next } = refusalSchema.parse(said).error
  if (retry === 'never') return { kind: 'refused', refusal: { url, why: message, next } }
  throw new Error(`The region answered ${answer.status}: ${message}`)
}

const fileOf = ({ directory }: Identity): string => join(directory, 'joined.json')

/** Whatever cannot be read is asked again, which is harmless. */
async function readJoined(identity: Identity): Promise<z.infer<typeof joinedSchema> | null> {
  try {
    return joinedSchema.parse(JSON.parse(await readFile(fileOf(identity), 'utf8')))
  } catch {
    return null
  }
}

async function writeJoined(identity: Identity, joined: z.infer<typeof joinedSchema>): Promise<void> {
  const file = fileOf(identity)
  await writeFile(`${file}.new`, JSON.stringify(joined), { mode: 0o600 })
  await rename(`${file}.new`, file)
}
