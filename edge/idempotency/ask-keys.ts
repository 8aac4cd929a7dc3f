/** A question to the Durable Object of a tenant's keys, bounded in time, and asked again when it may not have been heard. */
import { LIMITS } from '../../shared/limits.ts'
import type { Visit } from '../requests/visit.ts'
import type { TenantKeys } from './tenant-keys.ts'

export type Unheard = { kind: 'unheard'; cause: unknown }
export type Keys = DurableObjectStub<TenantKeys>

/** Never throws, and is done soon after `over`. What is unheard may have been done all the same. */
export async function askKeys<Word>(
  { bindings, key }: Pick<Visit, 'bindings' | 'key'>,
  over: AbortSignal,
  ask: (keys: Keys) => Promise<Word>,
): Promise<Word | Unheard> {
  let cause: unknown
  for (let tries = 0; tries < LIMITS.keyQuestionTriesMax && !over.aborted; tries += 1) {
    if (tries > 0) await scheduler.wait(LIMITS.keyQuestionPauseMs)
    try {
      // After a failure an old stub stays broken.
      return await inTime(ask(bindings.TENANT_KEYS.getByName(key.tenant)), over)
    } catch (thrown) {
      cause = thrown
      if (isOverloaded(thrown)) break
    }
  }
  return { kind: 'unheard', cause }
}

async function inTime<Word>(asked: Promise<Word>, over: AbortSignal): Promise<Word> {
  const { promise: tooLate, reject } = Promise.withResolvers<never>()
  const giveUp = (): void => reject(new Error('The keys of the tenant gave no answer in time.'))
  const timer = setTimeout(giveUp, LIMITS.keyQuestionMs)
  over.addEventListener('abort', giveUp)
  try {
    return await Promise.race([asked, tooLate])
  } finally {
    clearTimeout(timer)
    over.removeEventListener('abort', giveUp)
  }
}

/** Cloudflare marks what would only get worse by being asked again. */
const isOverloaded = (thrown: unknown): boolean => thrown instanceof Error && Reflect.get(thrown, 'overloaded') === true
