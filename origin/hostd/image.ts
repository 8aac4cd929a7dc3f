/** The guest image as its builder leaves it: a directory with a kernel, an initramfs, a root file system, and their names. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'

const fileName = z.string().regex(/^[A-Za-z0-9._-]+$/)
const imageSchema = z.object({ id: z.string().min(1), kernel: fileName, initramfs: fileName, rootfs: fileName })

/** `id` is a hash of everything that went in; the paths are absolute. */
export type GuestImage = z.infer<typeof imageSchema>

export async function readImage(directory: string): Promise<GuestImage> {
  const image = imageSchema.parse(JSON.parse(await readFile(join(directory, 'image.json'), 'utf8')))
  const at = (name: string): string => join(directory, name)
  return { id: image.id, kernel: at(image.kernel), initramfs: at(image.initramfs), rootfs: at(image.rootfs) }
}
