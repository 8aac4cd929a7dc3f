/** A key of one of a tenant's own users. */
import type { TestRegion } from './region.ts'

/** Bound before it is used for the first time, so that no cache has known it otherwise. */
export async function keyOfUser(region: TestRegion, tenant: string, user: string): Promise<string> {
  const { key, keyId } = await region.newKey({ tenant })
  await region.sql('update api_key set external_user = $2 where id = $1', [keyId, user])
  return key
}
