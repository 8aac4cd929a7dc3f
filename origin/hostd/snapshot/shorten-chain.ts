/**
 * Keeps a disk's chain of layers short where every snapshot adds one: before it gets too long, QEMU copies what the layers hold into
 * the overlay, while the guest runs, and lets go of them. Snapshots that are made of them keep them.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import type { Machine } from '../machine/machine.ts'
import type { Qmp } from '../qemu/qmp.ts'
import { hasTemplate } from './layer-store.ts'

const JOB = 'shorten'
const LOOK_EVERY_MS = 20

/** Does nothing while there is room for another layer. `record` journals the machine. Safe to repeat, also after a kill amid it. */
export async function shortenChain(machine: Machine, record: () => void): Promise<void> {
  const { qmp, lineage } = machine
  if (lineage.layers.length < LIMITS.diskLayersMax) return
  // The one of a daemon that was killed goes on by itself.
  await untilDone(machine)
  const baseNode = hasTemplate(lineage.base) ? 'layer1' : 'layer0'
  const options = { 'base-node': baseNode, 'auto-dismiss': false }
  await qmp.command('block-stream', { 'job-id': JOB, device: lineage.node, ...options })
  const failure = await untilDone(machine)
  if (failure !== null)
    throw new AppError('internal', 'The disk of the sandbox could not be made ready.', { detail: failure })
  machine.lineage = { ...lineage, layers: [] }
  // Before they are let go of, which may be their end.
  record()
  machine.held.change(machine.lineage)
  await closeUnused(qmp, new Set(['layer0', baseNode, lineage.node]))
}

const jobsSchema = z.array(z.object({ id: z.string(), status: z.string(), error: z.string().optional() }))

/** Waits until no such job runs. Why the last one failed, or null. */
async function untilDone({ qmp, died }: Machine): Promise<string | null> {
  for (;;) {
    const job = jobsSchema.parse(await qmp.command('query-jobs')).find(({ id }) => id === JOB)
    if (job === undefined) return null
    if (job.status === 'concluded') {
      await qmp.command('job-dismiss', { id: JOB })
      return job.error ?? null
    }
    await sleep(LOOK_EVERY_MS, undefined, { signal: died })
  }
}

const nodesSchema = z.array(z.object({ 'node-name': z.string() }))

/** QEMU would keep the layers open, and with them their room on the disk. It refuses to close what is in use. */
async function closeUnused(qmp: Qmp, used: ReadonlySet<string>): Promise<void> {
  const nodes = nodesSchema.parse(await qmp.command('query-named-block-nodes', { flat: true }))
  for (const { 'node-name': name } of nodes)
    if (!used.has(name)) await qmp.command('blockdev-del', { 'node-name': name }).catch(() => {})
}
