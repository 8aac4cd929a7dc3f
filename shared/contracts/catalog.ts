/** What there is to choose from: regions, sizes, templates, prices. What depends on machines is what they offer at this moment. */
import * as z from 'zod'
import { SIZE_NAMES } from '../machines.ts'
import { regionCodeSchema } from '../regions.ts'
import { route } from './route.ts'

export const regionFacts = z.object({
  code: regionCodeSchema.describe('What `X-Region` takes, and what ids of the region have in them.'),
  name: z.string().describe('What `X-Region` takes, too.'),
  url: z.url().nullable().describe('Its own address, without the edge.'),
})
export type RegionFacts = z.infer<typeof regionFacts>
export const regionRecord = regionFacts.extend({
  id: z.string(),
  current: z.boolean().describe('Whether it is the one that answers.'),
})

export const sizeRecord = z.object({
  id: z.enum(SIZE_NAMES).describe('What `size` takes.'),
  name: z.enum(SIZE_NAMES).describe('The same as `id`.'),
  cpu_count: z.int().describe('Virtual processors.'),
  memory_mb: z.int().describe('Memory in MiB.'),
  disk_size_mb: z.int().describe('Disk in MiB.'),
  default: z.boolean().describe('Whether it is what a create without a size gets.'),
  available: z.boolean().describe('Whether a machine here is large enough, were it empty.'),
})
export type SizeRecord = z.infer<typeof sizeRecord>

export const templateRecord = z.object({
  id: z.string().describe('What `template_id` takes.'),
  name: z.string(),
  slug: z.string().describe('What `template_id` takes, too; of one of yours also with `:` and a version or a tag.'),
  description: z.string(),
  image_id: z
    .string()
    .describe('Its own name, also where `id` is another one of it; of one of yours with its version.'),
  default: z.boolean().describe('Whether it is what a create without a template gets.'),
  built_in: z.boolean().describe('Whether it comes with the server.'),
  status: z
    .enum(['ready', 'building', 'failed', 'empty'])
    .describe('`ready`: a sandbox can be made of it. Else what became of the newest build, if there is one.'),
  version: z.int().nullable().describe('The newest version; null of what comes with the server, or has none yet.'),
  version_tags: z.record(z.string(), z.int()).describe('The versions that have a name.'),
  region: z.string().describe('Where it is.'),
  metadata: z.record(z.string(), z.unknown()).describe('What was said when it was made.'),
  created_at: z.iso.datetime().nullable().describe('Null of what comes with the server.'),
  disk_mb: z.int().describe('Disk of a create without a size, in MiB. One of yours has one machine, and no other.'),
  workdir: z.string().describe('Where commands run unless they say otherwise.'),
  preview_port: z.int().nullable().describe('The port that its server listens on, or null.'),
  install_command: z.string().nullable().describe('What prepares a project in it, or null.'),
  start_command: z.string().nullable().describe('What starts a project in it, or null.'),
  readiness_probe: z.string().nullable().describe('The command that says whether what it starts is ready, or null.'),
  runtimes: z.array(z.string()).describe('The languages that are in it.'),
  artifact_paths: z.array(z.string()).describe('What it makes that is worth keeping.'),
  tags: z.array(z.string()),
  categories: z.array(z.string()),
  default_cpu: z.int().describe('Virtual processors of a create without a size.'),
  default_memory_mb: z.int().describe('Memory of a create without a size, in MiB.'),
})
export type TemplateRecord = z.infer<typeof templateRecord>

const perHour = z.object({
  vcpu: z.number().describe('One virtual processor that runs.'),
  memory_gib: z.number().describe('One GiB of memory of what runs.'),
  paused_memory_gib: z.number().describe('One GiB of memory of what is paused.'),
  disk_gib: z.number().describe('One GiB of disk of what runs or is paused.'),
})
export const pricing = z.object({
  currency: z.string().describe('ISO 4217.'),
  since: z.iso.date().nullable().describe('The day from which on this is so; null when nothing costs anything.'),
  per_hour: perHour.describe('What each unit costs an hour.'),
  sizes: z
    .record(z.string(), z.object({ running_per_hour: z.number(), paused_per_hour: z.number() }))
    .describe('What each named size costs an hour, running and paused.'),
})
export type Pricing = z.infer<typeof pricing>

const catalog = z.object({
  regions: z.array(regionRecord),
  sizes: z.array(sizeRecord),
  templates: z.array(templateRecord),
  default_size: z.string(),
  default_template_id: z.string(),
})

export const runtimeCapabilities = z.object({
  version: z.literal(1),
  region: z.string(),
  isolation: z.literal('microvm'),
  accelerators: z
    .array(z.enum(['kvm', 'tcg']))
    .describe('How processors are given: `kvm`, or `tcg`, which is software and slow.'),
  templates: z.array(z.string()),
  sizes: z.array(z.string()),
  limits: z
    .record(z.string(), z.number())
    .describe('Bounds that a caller can run into, each with its unit in its name.'),
})

export const templatesQuery = z.object({
  include_aliases: z
    .enum(['true', 'false'])
    .optional()
    .describe('`true` also lists the other names of templates. Default: `false`.'),
})

/** Of what does not change from tenant to tenant, any key may read. */
const read = { method: 'GET', class: 'read', scope: null, status: 200 } as const

export const CATALOG_ROUTES = {
  regions: route({
    ...read,
    path: '/v1/compute/regions',
    summary: 'The regions that this one knows of, in the order of its configuration.',
    answer: z.object({ data: z.array(regionRecord) }),
  }),
  sizes: route({
    ...read,
    path: '/v1/compute/sizes',
    summary: 'The named sizes, smallest first.',
    answer: z.object({ data: z.array(sizeRecord) }),
  }),
  templates: route({
    ...read,
    path: '/v1/compute/templates',
    summary: 'The templates that machines here can start, by name, then those of your own, newest first.',
    answer: z.object({ data: z.array(templateRecord) }),
  }),
  catalog: route({
    ...read,
    path: '/v1/compute/catalog',
    summary: 'Regions, sizes and templates in one.',
    answer: z.object({ data: catalog }),
  }),
  pricing: route({
    ...read,
    path: '/v1/compute/pricing',
    summary: 'What usage costs today, by unit and by size.',
    answer: z.object({ data: pricing }),
  }),
  capabilities: route({
    ...read,
    path: '/v1/runtime-capabilities',
    summary: 'What machines here are and can do.',
    answer: z.object({ data: runtimeCapabilities }),
  }),
  products: route({
    ...read,
    path: '/v1/templates',
    summary: 'The same templates, as products.',
    answer: z.object({
      templates: z.array(
        z.object({
          id: z.string(),
          name: z.string(),
          product: z.literal('sandbox'),
          sizes: z.array(z.string()),
          readiness: z.object({ status: templateRecord.shape.status }),
        }),
      ),
      products: z.array(z.literal('sandbox')),
      sizes: z.array(z.string()),
      shape_contracts: z.record(z.string(), z.object({ vcpus: z.int(), memory_mb: z.int(), disk_size_mb: z.int() })),
    }),
  }),
  sandboxTemplates: route({
    ...read,
    class: 'list',
    path: '/v1/sandbox-templates',
    summary: 'The built-in templates, by name, then those of your own, newest first; and which is the default.',
    query: templatesQuery,
    answer: z.object({ default_template_id: z.string(), data: z.array(templateRecord) }),
  }),
  /** Not in an envelope: a client in the field reads it bare. */
  sandboxTemplate: route({
    ...read,
    path: '/v1/sandbox-templates/:id',
    summary: 'One template, by its name, its id or an alias.',
    answer: templateRecord,
  }),
} as const
