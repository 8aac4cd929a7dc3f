/** What there is to choose from: regions, sizes, templates, prices. What depends on machines is what they offer at this moment. */
import * as z from 'zod'
import { SIZE_NAMES } from '../machines.ts'
import { regionCodeSchema } from '../regions.ts'
import { route } from './route.ts'

export const regionFacts = z.object({
  code: regionCodeSchema,
  name: z.string(),
  /** Its own address, without the edge. */
  url: z.url().nullable(),
})
export type RegionFacts = z.infer<typeof regionFacts>
export const regionRecord = regionFacts.extend({
  id: z.string(),
  /** The one that answers. */
  current: z.boolean(),
})

export const sizeRecord = z.object({
  id: z.enum(SIZE_NAMES),
  name: z.enum(SIZE_NAMES),
  cpu_count: z.int(),
  memory_mb: z.int(),
  disk_size_mb: z.int(),
  /** What a create without a size gets. */
  default: z.boolean(),
  /** Whether a machine here is large enough, were it empty. */
  available: z.boolean(),
})
export type SizeRecord = z.infer<typeof sizeRecord>

export const templateRecord = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  image_id: z.string(),
  default: z.boolean(),
  built_in: z.boolean(),
  status: z.literal('ready'),
  disk_mb: z.int(),
  workdir: z.string(),
  preview_port: z.int().nullable(),
  install_command: z.string().nullable(),
  start_command: z.string().nullable(),
  readiness_probe: z.null(),
  runtimes: z.array(z.string()),
  artifact_paths: z.array(z.string()),
  tags: z.array(z.string()),
  categories: z.array(z.string()),
  default_cpu: z.int(),
  default_memory_mb: z.int(),
})
export type TemplateRecord = z.infer<typeof templateRecord>

const perHour = z.object({
  vcpu: z.number(),
  memory_gib: z.number(),
  paused_memory_gib: z.number(),
  disk_gib: z.number(),
})
export const pricing = z.object({
  currency: z.string(),
  /** Since when, and what each unit costs an hour. */
  since: z.iso.date().nullable(),
  per_hour: perHour,
  sizes: z.record(z.string(), z.object({ running_per_hour: z.number(), paused_per_hour: z.number() })),
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
  /** How processors are given: `kvm`, or `tcg`, which is software and slow. */
  accelerators: z.array(z.enum(['kvm', 'tcg'])),
  templates: z.array(z.string()),
  sizes: z.array(z.string()),
  limits: z.record(z.string(), z.number()),
})

export const templatesQuery = z.object({ include_aliases: z.enum(['true', 'false']).optional() })

/** Of what does not change from tenant to tenant, any key may read. */
const read = { method: 'GET', class: 'read', scope: null, status: 200 } as const

export const CATALOG_ROUTES = {
  regions: route({
    ...read,
    path: '/v1/compute/regions',
    summary: 'The regions that this one knows of.',
    answer: z.object({ data: z.array(regionRecord) }),
  }),
  sizes: route({
    ...read,
    path: '/v1/compute/sizes',
    summary: 'The named sizes.',
    answer: z.object({ data: z.array(sizeRecord) }),
  }),
  templates: route({
    ...read,
    path: '/v1/compute/templates',
    summary: 'The templates that machines here can start.',
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
          readiness: z.object({ status: z.literal('ready') }),
        }),
      ),
      products: z.array(z.literal('sandbox')),
      sizes: z.array(z.string()),
      shape_contracts: z.record(z.string(), z.object({ vcpus: z.int(), memory_mb: z.int(), disk_size_mb: z.int() })),
    }),
  }),
  sandboxTemplates: route({
    ...read,
    path: '/v1/sandbox-templates',
    summary: 'The templates, and which is the default.',
    query: templatesQuery,
    answer: z.object({ default_template_id: z.string(), data: z.array(templateRecord) }),
  }),
  /** Not in an envelope: a client in the field reads it bare. */
  sandboxTemplate: route({
    ...read,
    path: '/v1/sandbox-templates/:id',
    summary: 'One template, by its name or an alias.',
    answer: templateRecord,
  }),
} as const
