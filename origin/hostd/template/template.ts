/** A template on disk: a machine that was booted once, warmed and frozen, from which any number of clones go on. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { machineSchema, type Machine as Shape } from '../../../shared/machines.ts'

export const TEMPLATE_FILES = {
  memory: 'memory.raw',
  disk: 'disk.qcow2',
  emptyLayer: 'empty.qcow2',
  deviceState: 'device.state',
  /** Written last; a directory without it is not a template. */
  manifest: 'template.json',
} as const

export const manifestSchema = z.object({ name: z.string(), machine: machineSchema, built_ms: z.number() })

export type Manifest = z.infer<typeof manifestSchema>

export type Template = {
  name: string
  shape: Shape
  memoryPath: string
  diskPath: string
  emptyLayerPath: string
  /** 9-13 KB, kept in memory because every clone is sent it. */
  deviceState: Uint8Array
}

/** The template in this directory, or null when there is none. */
export async function readTemplate(directory: string): Promise<Template | null> {
  const at = (name: string): string => join(directory, name)
  const manifest = await readManifest(directory)
  if (manifest === null) return null
  return {
    name: manifest.name,
    shape: manifest.machine,
    memoryPath: at(TEMPLATE_FILES.memory),
    diskPath: at(TEMPLATE_FILES.disk),
    emptyLayerPath: at(TEMPLATE_FILES.emptyLayer),
    deviceState: await readFile(at(TEMPLATE_FILES.deviceState)),
  }
}

/** Null when there is none. Throws when it is not one. */
export async function readManifest(directory: string): Promise<Manifest | null> {
  const text = await readFile(join(directory, TEMPLATE_FILES.manifest), 'utf8').catch(() => null)
  return text === null ? null : manifestSchema.parse(JSON.parse(text))
}
