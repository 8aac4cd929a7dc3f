/** The environments of wrangler.toml, as wrangler understands them: what is inherited is filled in. */
import { unstable_readConfig } from 'wrangler'
import * as z from 'zod'
import type { Settings } from './judge-deployment.ts'

const migrationSchema = z.object({
  new_classes: z.array(z.string()).default([]),
  new_sqlite_classes: z.array(z.string()).default([]),
  renamed_classes: z.array(z.object({ from: z.string(), to: z.string() })).default([]),
  deleted_classes: z.array(z.string()).default([]),
})

/** Of wrangler's own record, what is judged here. */
const configSchema = z.object({
  definedEnvironments: z.array(z.string()).optional(),
  name: z.string().optional(),
  routes: z
    .array(z.union([z.string(), z.object({ pattern: z.string() }).transform(({ pattern }) => pattern)]))
    .default([]),
  triggers: z.object({ crons: z.array(z.string()).default([]) }),
  vars: z.record(z.string(), z.unknown()),
  secrets: z.object({ required: z.array(z.string()).default([]) }).default({ required: [] }),
  durable_objects: z.object({ bindings: z.array(z.object({ class_name: z.string() })) }),
  migrations: z.array(migrationSchema),
  kv_namespaces: z.array(z.object({ id: z.string().optional() })),
  ratelimits: z.array(z.object({ namespace_id: z.string() })),
})

/** Throws wrangler's own error when the file is not one of its. */
export function readDeployment(file: string): Map<string, Settings> {
  const { definedEnvironments = [] } = read(file)
  return new Map(definedEnvironments.map((environment) => [environment, settingsOf(read(file, environment))]))
}

const read = (config: string, env?: string): z.infer<typeof configSchema> =>
  configSchema.parse(unstable_readConfig({ config, ...(env === undefined ? {} : { env }) }, { hideWarnings: true }))

const settingsOf = (config: z.infer<typeof configSchema>): Settings => ({
  name: config.name,
  routes: config.routes,
  crons: config.triggers.crons,
  vars: config.vars,
  secrets: config.secrets.required,
  durableClasses: config.durable_objects.bindings.map(({ class_name }) => class_name),
  migratedClasses: migratedClasses(config.migrations),
  kvIds: config.kv_namespaces.map(({ id }) => id).filter((id) => id !== undefined),
  rateNamespaces: config.ratelimits.map(({ namespace_id }) => namespace_id),
})

function migratedClasses(migrations: readonly z.infer<typeof migrationSchema>[]): string[] {
  const classes = new Set<string>()
  for (const { new_classes, new_sqlite_classes, renamed_classes, deleted_classes } of migrations) {
    for (const name of [...new_classes, ...new_sqlite_classes]) classes.add(name)
    for (const { from, to } of renamed_classes) {
      classes.delete(from)
      classes.add(to)
    }
    for (const name of deleted_classes) classes.delete(name)
  }
  return [...classes]
}
