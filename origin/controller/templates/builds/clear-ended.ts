/** What a build that has ended has left: its sandbox, and a snapshot that became no version. Safe to repeat. */
import type { Controller } from '../../controller.ts'
import { discardSnapshot } from '../../snapshots/discard-snapshot.ts'
import { isEnded } from './build-life.ts'
import { endBuildSandbox } from './build-sandbox.ts'
import { readBuild } from './find-build.ts'
import { noteBuild } from './move-build.ts'

export async function clearEnded(controller: Controller, id: string): Promise<void> {
  const row = await readBuild(controller.database.db, id)
  if (row === undefined || !isEnded(row.state)) return
  const isUnkept = row.snapshot !== null && row.version === null
  if (row.sandbox !== null) await endBuildSandbox(controller, row.sandbox)
  if (isUnkept && row.snapshot !== null) await discardSnapshot(controller, row.snapshot)
  if (row.sandbox === null && !isUnkept) return
  await noteBuild(controller.database.db, row, { sandbox: null, ...(isUnkept ? { snapshot: null } : {}) })
}
