/** A question to the Durable Object of a tenant's keys, bounded in time, and asked again when it may not have been heard. */
import { LIMITS } from '../../shared/limits.ts'
import type { Visit } from '../requests/visit.ts'
import type { TenantKeys } from './tenant-keys.ts'

export type Unheard = { kind: 'unheard'; cause: unknown }
export type Keys = DurableObjectStub<TenantKeys>

/** Never throws. What is unheard may have been done all the same. */
export async function askKeys<Word>(
  { bindings, key }: Pick<Visit, 'bindings' | 'key'>,
  ask: (keys: Keys) => Promise<Word>,
): Promise<Word | Unheard> {
  let cause: unknown
  for (let tries = 0; tries < LIMITS.keyQuestionTriesMax; tries += 1) {
    if (tries > 0) await scheduler.wait(LIMITS.keyQuestionPauseMs)
    try {
      // After a failure an old stub stays broken.
      return await inTime(ask(bindings.TENANT_KEYS.getByName(key.tenant)))
    } catch (thrown) {
      cause = thrown
      if (isOverloaded(thrown)) break
    }
  }
  return { kind: 'unheard', cause }
}

async function inTime<Word>(asked: Promise<Word>): Promise<Word> {
  const answered = new AbortController()
  const tooLate = scheduler.wait(LIMITS.keyQuestionMs, { signal: answered.signal }).then(() => {
    throw new Error(`The keys of the tenant gave no answer in ${LIMITS.keyQuestionMs} ms.`)
  })
  try {
    return await Promise.race([asked, tooLate])
  } finally {
    answered.abort()
    tooLate.catch(() => undefined)
  }
}

/** Cloudflare marks what would only get worse by being asked again. */
const isOverloaded = (thrown: unknown): boolean => thrown instanceof Error && Reflect.get(thrown, 'overloaded') === true
