/** What a region is to the edge, and how callers name one. The registry is one record, written by one writer, read from KV. */
import * as z from 'zod'
import { LIMITS } from './limits.ts'

/** Where the registry lies in the namespace CONFIG, and where operators read and replace it at the edge. */
export const REGISTRY_KEY = 'regions:v1'
export const REGISTRY_PATH = '/internal/v1/regions'

export const regionCodeSchema = z.string().regex(/^[a-z][a-z0-9]{1,5}$/)

export const regionSchema = z.object({
  code: regionCodeSchema,
  name: z.string().regex(/^[a-z][a-z0-9-]{1,30}$/),
  status: z.enum(['active', 'draining', 'down']),
  /** Where the edge forwards to. */
  url: z.url(),
  /** What clients use to skip the edge. */
  directUrl: z.url(),
  lat: z.number().min(-90).max(90),
  lon: z.number().min(-180).max(180),
  /** Two-letter continents this region is the default for: AF AN AS EU NA OC SA. */
  continents: z.array(z.string().length(2)),
  weight: z.number().positive(),
  /** Where a create goes next when this region did not execute it, best first. */
  failover: z.array(regionCodeSchema),
})
export type Region = z.infer<typeof regionSchema>

const isWithoutTwins = (words: string[]): boolean => new Set(words).size === words.length

export const regionRegistrySchema = z
  .object({
    version: z.int(),
    default: regionCodeSchema,
    regions: z.array(regionSchema).min(1).max(LIMITS.regionsMax),
  })
  .refine(({ regions, default: home }) => regions.some(({ code }) => code === home), {
    error: 'must be the code of one of the regions',
    path: ['default'],
  })
  .refine(({ regions }) => isWithoutTwins(regions.map(({ code }) => code)), {
    error: 'codes must differ',
    path: ['regions'],
  })
  .refine(({ regions }) => isWithoutTwins(regions.map(({ name }) => name)), {
    error: 'names must differ',
    path: ['regions'],
  })
export type RegionRegistry = z.infer<typeof regionRegistrySchema>

/** What the edge knows of a region's room: `c:<code>` in KV, from the region's own GET /v1/capacity. */
export const regionCapacitySchema = z.object({
  region: regionCodeSchema,
  ts: z.int(),
  seq: z.int(),
  accepting: z.boolean(),
  draining: z.boolean(),
  /** How many more sandboxes of each size would fit, by size name. */
  free: z.record(z.string(), z.int()),
  /** Primed machines by `<template>@<size>`. */
  pool: z.record(z.string(), z.int()),
  running: z.int(),
  paused: z.int(),
  /** 0 is idle, 1 is full. */
  load: z.number(),
})
export type RegionCapacity = z.infer<typeof regionCapacitySchema>

/** A region by its code or its name. */
export const findRegion = (registry: RegionRegistry, named: string): Region | undefined =>
  registry.regions.find((region) => region.code === named || region.name === named)
