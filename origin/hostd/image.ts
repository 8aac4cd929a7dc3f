/** The guest image as its builder leaves it: a directory with a kernel, an initramfs, root file systems, and their names. */
import { readFile, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'

const fileName = z.string().regex(/^[A-Za-z0-9._-]+$/)
/** The root that machines boot from when their template names no other. */
export const DEFAULT_ROOT = 'default'

export const IMAGE_MANIFEST = 'image.json'

const imageSchema = z.object({
  id: z.string().min(1),
  kernel: fileName,
  initramfs: fileName,
  roots: z.record(z.string().regex(/^[a-z0-9-]+$/), fileName).refine((roots) => Object.hasOwn(roots, DEFAULT_ROOT)),
})

/** `id` is a hash of everything that went in; the paths are absolute. */
export type GuestImage = z.infer<typeof imageSchema>

export async function readImage(directory: string): Promise<GuestImage> {
  const image = imageSchema.parse(JSON.parse(await readFile(join(directory, IMAGE_MANIFEST), 'utf8')))
  const at = (name: string): string => join(directory, name)
  const roots = Object.entries(image.roots).map(([name, file]) => [name, at(file)] as const)
  return { id: image.id, kernel: at(image.kernel), initramfs: at(image.initramfs), roots: Object.fromEntries(roots) }
}

/** The time of its last use is that of its manifest; builders remove images that nobody has used for long. */
export async function markImageUsed(directory: string, nowMs: number): Promise<void> {
  await utimes(join(directory, IMAGE_MANIFEST), nowMs / 1_000, nowMs / 1_000).catch(() => {})
}
