/** What a machine is made of besides its own changes, as it is journalled and as its snapshots inherit it. */
import * as z from 'zod'

export const lineageSchema = z.object({
  /** The base in the layer store: a template, or only an image. */
  base: z.string(),
  /** Disk layers over the base's disk, from the lowest up; the machine's own overlay is on top. */
  layers: z.array(z.string()),
  /** QEMU's name for the overlay that is written. */
  node: z.string(),
  /** Its overlay is about to become this layer, and `node` to be written instead. QEMU knows whether that has happened. */
  next: z.object({ layer: z.string(), node: z.string() }).nullable(),
})
export type Lineage = z.infer<typeof lineageSchema>

/** What QEMU calls the overlay that a machine begins with. */
export const FIRST_NODE = 'root'

/** Of a base that no store has. */
export const UNKNOWN_LINEAGE: Lineage = { base: 'unknown', layers: [], node: FIRST_NODE, next: null }

export const newLineage = (base: string, layers: string[] = []): Lineage => ({
  base,
  layers,
  node: FIRST_NODE,
  next: null,
})
