/** How the commands of operators refuse: in sentences that name what is missing and the next step, never with a trace. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type * as z from 'zod'

export function fail(message: string): never {
  console.error(message)
  process.exit(1)
}

/** What is wrong with a value, one line a field. `heading` says whose value it is. */
export function parseOrFail<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  heading: string,
): z.infer<Schema> {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  return fail(
    [heading, ...read.error.issues.map(({ path, message }) => `  ${path.join('.') || 'all of it'}: ${message}`)].join(
      '\n',
    ),
  )
}

/** npm runs its scripts at the root of the package, whoever calls them from wherever. */
export const placeOf = (file: string): string => resolve(process.env.INIT_CWD ?? '', file)

export async function readJsonOrFail(file: string): Promise<unknown> {
  const text = await readFile(placeOf(file), 'utf8').catch((thrown: unknown) =>
    fail(`${file} cannot be read: ${wordsOf(thrown)}`),
  )
  try {
    return JSON.parse(text)
  } catch (thrown) {
    return fail(`${file} is not JSON: ${wordsOf(thrown)}`)
  }
}

export const wordsOf = (thrown: unknown): string => {
  if (!(thrown instanceof Error)) return String(thrown)
  return thrown.cause instanceof Error ? `${thrown.message} (${thrown.cause.message})` : thrown.message
}
