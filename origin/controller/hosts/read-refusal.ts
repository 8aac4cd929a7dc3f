/** What a host says when it does not do what it was asked. */
import { type Trouble, troubleOfAnswer } from './outcome.ts'
import { type JsonBody, readJson } from './read-json.ts'

type Refused = { statusCode: number; headers: Record<string, string | string[] | undefined>; body: JsonBody }

export async function readRefusal({ statusCode, headers, body }: Refused): Promise<Trouble> {
  const said = await readJson(body).catch(() => undefined)
  return troubleOfAnswer(statusCode, headers['x-not-executed'] === '1', said)
}
