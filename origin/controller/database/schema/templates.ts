/** Templates of tenants, their builds, what builds have said, and the steps that are kept for the next build. */
import { sql } from 'drizzle-orm'
import { boolean, index, integer, jsonb, pgTable, primaryKey, text, uniqueIndex } from 'drizzle-orm/pg-core'
import type { BuildSpec } from '../../../../shared/contracts/build-spec.ts'
import type { BuildError, BuildLogLine, BuildState, BuildStepRecord } from '../../../../shared/contracts/templates.ts'
import type { Principal } from '../../accounts/principal.ts'
import { tenant } from './accounts.ts'
import { moment } from './moment.ts'

export const template = pgTable(
  'template',
  {
    id: text().primaryKey(),
    tenant: text()
      .notNull()
      .references(() => tenant.id),
    slug: text().notNull(),
    name: text().notNull(),
    description: text().notNull(),
    /** What its builds are made of, unless they say otherwise. */
    spec: jsonb().$type<BuildSpec>(),
    metadata: jsonb().$type<Record<string, unknown>>().notNull(),
    /** The last version that was given; a deleted one is not given again. */
    lastVersion: integer('last_version').notNull(),
    /** Versions by the names that builds gave them. */
    tags: jsonb().$type<Record<string, number>>().notNull(),
    createdAt: moment('created_at').notNull(),
  },
  (table) => [
    uniqueIndex('template_slug').on(table.tenant, table.slug),
    index('template_list').on(table.tenant, table.id),
  ],
)
export type TemplateRow = typeof template.$inferSelect

export const templateBuild = pgTable(
  'template_build',
  {
    id: text().primaryKey(),
    template: text()
      .notNull()
      .references(() => template.id),
    tenant: text().notNull(),
    state: text().$type<BuildState>().notNull(),
    /** Whoever moves or notes something of the build says from which revision. */
    revision: integer().notNull(),
    /** The controller that works on it; see instance.ts. */
    instance: integer().notNull(),
    attempts: integer().notNull(),
    version: integer(),
    tags: text().array().notNull(),
    spec: jsonb().$type<BuildSpec>().notNull(),
    metadata: jsonb().$type<Record<string, unknown>>().notNull(),
    isUncached: boolean('is_uncached').notNull(),
    /** Whoever asked for it, and for whom its sandbox is made: no key is in it. */
    principal: jsonb().$type<Principal>().notNull(),
    /** What it begins with, as sandboxes call it, and the snapshot of it if it is one of the tenant's. */
    base: text().notNull(),
    baseSnapshot: text('base_snapshot'),
    steps: jsonb().$type<BuildStepRecord[]>().notNull(),
    error: jsonb().$type<BuildError>(),
    /** Written before the sandbox is made, and taken back when nothing is left of it. */
    sandbox: text(),
    /** Written before the snapshot is taken: the version itself, when the build is ready. */
    snapshot: text(),
    createdAt: moment('created_at').notNull(),
    changedAt: moment('changed_at').notNull(),
    startedAt: moment('started_at'),
    finishedAt: moment('finished_at'),
  },
  (table) => [
    index('template_build_list').on(table.template, table.id),
    uniqueIndex('template_build_version').on(table.template, table.version).where(sql`${table.version} is not null`),
    index('template_build_base').on(table.tenant, table.base).where(sql`${table.version} is not null`),
    index('template_build_open')
      .on(table.id)
      .where(sql`${table.state} not in ('ready', 'failed', 'cancelled') or ${table.sandbox} is not null`),
    index('template_build_ended').on(table.finishedAt).where(sql`${table.version} is null`),
  ],
)
export type BuildRow = typeof templateBuild.$inferSelect

export const templateBuildLog = pgTable(
  'template_build_log',
  {
    build: text()
      .notNull()
      .references(() => templateBuild.id, { onDelete: 'cascade' }),
    /** From 1, without gaps. Two that write at once collide here, and one of them ends. */
    seq: integer().notNull(),
    step: integer(),
    stream: text().$type<BuildLogLine['stream']>().notNull(),
    line: text().notNull(),
    ts: moment('ts').notNull(),
  },
  (table) => [primaryKey({ columns: [table.build, table.seq] })],
)

/** A row is written before its snapshot is taken, and counts when that is ready. */
export const templateStep = pgTable(
  'template_step',
  {
    tenant: text().notNull(),
    /** Of what it begins with and of every step up to this one. */
    key: text().notNull(),
    snapshot: text().notNull(),
    usedAt: moment('used_at').notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.tenant, table.key] }),
    index('template_step_used').on(table.usedAt),
    index('template_step_snapshot').on(table.snapshot),
  ],
)
export type StepRow = typeof templateStep.$inferSelect
