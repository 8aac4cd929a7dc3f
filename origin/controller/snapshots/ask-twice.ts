/** A call to a host that is safe to repeat, made once more when nobody knows what became of it; but not when it has taken its whole time. */
import { LIMITS } from '../../../shared/limits.ts'
import type { Controller } from '../controller.ts'
import type { Answer } from '../hosts/outcome.ts'

export async function askTwice<T>(
  { clock }: Pick<Controller, 'clock'>,
  call: () => Promise<Answer<T>>,
): Promise<Answer<T>> {
  const from = clock()
  const answer = await call()
  return answer.kind === 'unknown' && clock() - from < LIMITS.hostRequestMs ? call() : answer
}
