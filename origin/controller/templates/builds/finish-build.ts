/** The snapshot is taken: the build is the next version of its template, and has the tags that it was asked for, in one transaction. */
import { eq } from 'drizzle-orm'
import type { Controller } from '../../controller.ts'
import { type BuildRow, template } from '../../database/schema/templates.ts'
import { moveBuild } from './move-build.ts'
import { Overtaken } from './trouble.ts'

/** Throws Overtaken when it was cancelled meanwhile; then no version was given. */
export const finishBuild = ({ database }: Controller, row: BuildRow): Promise<BuildRow> =>
  database.db.transaction(async (tx) => {
    const [of] = await tx.select().from(template).where(eq(template.id, row.template)).for('update')
    if (of === undefined) throw new Overtaken('The template is gone.')
    const version = of.lastVersion + 1
    const ready = await moveBuild(tx, row, 'kept', { version })
    if (ready === undefined) throw new Overtaken('The build was moved by somebody else.')
    const tags = { ...of.tags, ...Object.fromEntries(row.tags.map((tag) => [tag, version])) }
    await tx.update(template).set({ lastVersion: version, tags }).where(eq(template.id, of.id))
    return ready
  })
