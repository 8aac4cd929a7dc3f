/**
 * What a sandbox has of the template that it was made of, beside what is in its machine. Asked only of templates of a tenant's own, which are
 * known by their names, so nothing that is built in costs a question.
 */
import { and, eq } from 'drizzle-orm'
import type { BuildSpec } from '../../../shared/contracts/build-spec.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Db } from '../database/connect.ts'
import { template, templateBuild } from '../database/schema/templates.ts'
import { versionOf } from './template-reference.ts'

/** `template` is the name of what it was made of, as its row has it. */
type Made = { tenant: string; template: string }
type Settings = Pick<BuildSpec, 'workdir' | 'previewPort' | 'startCmd' | 'artifactPaths'>

/** Where commands run that do not say where. */
export const WORKDIR = '/workspace'

/** Undefined of what is built in. */
export async function settingsOf(db: Pick<Db, 'select'>, made: Made): Promise<Settings | undefined> {
  const named = versionOf(made.template)
  if (named === null) return undefined
  const [found] = await db
    .select({ spec: templateBuild.spec })
    .from(template)
    .innerJoin(templateBuild, and(eq(templateBuild.template, template.id), eq(templateBuild.version, named.version)))
    .where(and(eq(template.tenant, made.tenant), eq(template.slug, named.slug)))
  return found?.spec
}

export const workdirOf = async (db: Pick<Db, 'select'>, made: Made): Promise<string> =>
  (await settingsOf(db, made))?.workdir ?? WORKDIR

/** The port that is meant where a caller names none. */
export const portOf = async (db: Pick<Db, 'select'>, made: Made): Promise<number> =>
  (await settingsOf(db, made))?.previewPort ?? LIMITS.previewPortDefault
