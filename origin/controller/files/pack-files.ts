/** Files and directories as an archive, which the agent makes while it is read. */
import type { GuestPack } from '../../../shared/contracts/guest-files.ts'
import type { Outcome } from '../http/serve-route.ts'
import { type Asker, askFiles } from './ask-files.ts'
import { headersOfBytes } from './read-file.ts'

export type Packing = GuestPack & { filename: string; method: 'GET' | 'HEAD' }

/** Throws what the agent refuses before the first byte. */
export async function packFiles(asker: Asker, { filename, method, ...pack }: Packing): Promise<Outcome> {
  const { body } = await askFiles(asker, {
    method: 'POST',
    path: 'files/pack',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(pack),
  })
  const answer = { headers: headersOfBytes(filename) }
  if (method === 'GET') return { ...answer, bytes: body }
  body.destroy()
  return { ...answer, text: null }
}
