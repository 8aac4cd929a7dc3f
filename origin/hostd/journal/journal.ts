/**
 * What this daemon must know after it was killed: which machine is which sandbox's, and which sandboxes were lost.
 *
 *   <state>/machines/<name>/record.json   a sandbox owns the machine; without it nobody does
 *   <state>/parked/<snapshot>.json        a sandbox is paused on disk, in this snapshot
 *   <state>/lost/<sandbox>.json           the controller has not been told yet, or has not acknowledged
 *
 * Files are replaced by rename, so each is whole or absent. Only those about sandboxes on disk are flushed to the platter: after a
 * power failure the machines are gone, and a missing record then says the same as a dead machine.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import { BOOT_PATHS, vmLoss, vmSpec } from '../../../shared/contracts/host.ts'
import { lineageSchema, UNKNOWN_LINEAGE } from '../machine/lineage.ts'
import { sync } from '../snapshot/sync-files.ts'

const sandboxRecord = z.object({
  /** The environment stays out: the guest has it, and it may hold secrets. So does the way out, which has a file of its own. */
  spec: vmSpec.omit({ env: true, egress: true }),
  boot_path: z.enum(BOOT_PATHS),
  boot_ms: z.number(),
  /** Whose machine it was before a merge. */
  merged_from: z.string().nullable().default(null),
  started_at_ms: z.number(),
})
const ownedRecord = sandboxRecord.extend({
  machineName: z.string(),
  uid: z.int().nullable(),
  /** Left out by daemons that knew no snapshots: the machine goes on, and cannot be kept. */
  lineage: lineageSchema.default(UNKNOWN_LINEAGE),
})
const parkedRecord = sandboxRecord.extend({ snapshot: z.string() })

export type SandboxRecord = z.infer<typeof sandboxRecord>
export type OwnedRecord = z.infer<typeof ownedRecord>
export type ParkedRecord = z.infer<typeof parkedRecord>
export type Loss = z.infer<typeof vmLoss>

export class Journal {
  readonly machinesDir: string
  readonly #parkedDir: string
  readonly #lostDir: string

  constructor(stateDir: string) {
    this.machinesDir = join(stateDir, 'machines')
    this.#parkedDir = join(stateDir, 'parked')
    this.#lostDir = join(stateDir, 'lost')
    for (const directory of [this.machinesDir, this.#parkedDir, this.#lostDir])
      mkdirSync(directory, { recursive: true, mode: 0o700 })
    for (const directory of [this.#parkedDir, this.#lostDir]) removeUnfinished(directory)
  }

  /** Synchronous, because nothing may happen between the claim and its record; it takes a tenth of a millisecond. */
  own(record: OwnedRecord): void {
    replace(this.#recordPath(record.machineName), record)
  }

  /** From here on nobody owns the machine, so a crash before it is gone leaves it to be reaped. */
  disown(machineName: string): void {
    rmSync(this.#recordPath(machineName), { force: true })
  }

  /** The snapshot is the sandbox's, on the platter when it returns. Repeated when what is written changes. */
  async park(record: ParkedRecord): Promise<void> {
    const path = this.#parkedPath(record.snapshot)
    await writeFile(`${path}.new`, JSON.stringify(record), { mode: 0o600 })
    await sync(`${path}.new`)
    await rename(`${path}.new`, path)
    await sync(this.#parkedDir)
  }

  /** The snapshot is nobody's, not even after a power failure. Unknown ones are fine. */
  async unpark(snapshot: string): Promise<void> {
    await rm(this.#parkedPath(snapshot), { force: true })
    await sync(this.#parkedDir)
  }

  lose(loss: Loss): void {
    replace(this.#lossPath(loss.id), loss)
  }

  forgetLoss(id: string): void {
    rmSync(this.#lossPath(id), { force: true })
  }

  /** The names of all machines that have a directory, and the records of those that are owned. */
  async readMachines(): Promise<{ names: string[]; owned: OwnedRecord[] }> {
    const names = await readdir(this.machinesDir)
    const owned = await Promise.all(names.map((name) => readAs(ownedRecord, this.#recordPath(name))))
    return { names, owned: owned.filter((record) => record !== null) }
  }

  readParked(): Promise<ParkedRecord[]> {
    return readAll(parkedRecord, this.#parkedDir)
  }

  readLosses(): Promise<Loss[]> {
    return readAll(vmLoss, this.#lostDir)
  }

  #recordPath(machineName: string): string {
    return join(this.machinesDir, machineName, 'record.json')
  }

  #parkedPath(snapshot: string): string {
    return join(this.#parkedDir, `${snapshot}.json`)
  }

  #lossPath(id: string): string {
    return join(this.#lostDir, `${encodeURIComponent(id)}.json`)
  }
}

function replace(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, JSON.stringify(value), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

/** What a daemon was writing when it was killed. */
function removeUnfinished(directory: string): void {
  for (const file of readdirSync(directory)) if (file.endsWith('.new')) rmSync(join(directory, file), { force: true })
}

async function readAll<Schema extends z.ZodType>(schema: Schema, directory: string): Promise<z.infer<Schema>[]> {
  const files = (await readdir(directory)).filter((file) => file.endsWith('.json'))
  const records = await Promise.all(files.map((file) => readAs(schema, join(directory, file))))
  return records.filter((record) => record !== null)
}

async function readAs<Schema extends z.ZodType>(schema: Schema, path: string): Promise<z.infer<Schema> | null> {
  try {
    return schema.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    // Absent, or cut short by a power failure: it says nothing.
    return null
  }
}
