/**
 * Whatever changes the previews of a sandbox, or their shares, does so under the lock of the sandbox's row, taken before any other: what
 * it counts is true until it has written, and no two of them wait for each other.
 */
import type { Db } from '../database/connect.ts'
import { lockSandboxes } from '../sandboxes/lock-sandboxes.ts'

type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

export const changePreviews = <T>(db: Db, sandboxId: string, change: (tx: Tx) => Promise<T>): Promise<T> =>
  db.transaction(async (tx) => {
    await lockSandboxes(tx, [sandboxId])
    return await change(tx)
  })
