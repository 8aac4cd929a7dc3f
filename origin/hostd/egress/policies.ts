/**
 * Where each sandbox may go, in memory and on disk, so that a daemon that was killed enforces it again.
 *
 *   <state>/egress/<sandbox>.json     with its secrets, for root alone; replaced by rename, so it is whole or absent
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'
import { type EgressPolicy, egressPolicy } from '../../../shared/contracts/host-egress.ts'

/** Like a setting, but for what a child has from its parent: that has the revision 0, so that the first word about the child itself counts. */
const kept = z.object({ sandbox: z.string(), revision: z.int().min(0), policy: egressPolicy.nullable() })
type Kept = z.infer<typeof kept>
export type Held = Omit<Kept, 'sandbox'>

const SUFFIX = '.sandbox.json'

export class EgressPolicies {
  readonly directory: string
  readonly #held = new Map<string, Held>()

  /** Synchronous, as the journal is: between a word and its record there is no moment. */
  constructor(stateDir: string) {
    this.directory = join(stateDir, 'egress')
    mkdirSync(this.directory, { recursive: true, mode: 0o700 })
    for (const file of readdirSync(this.directory)) this.#take(file)
  }

  get(sandbox: string): Held | undefined {
    return this.#held.get(sandbox)
  }

  policyOf(sandbox: string): EgressPolicy | null {
    return this.#held.get(sandbox)?.policy ?? null
  }

  sandboxes(): string[] {
    return [...this.#held.keys()]
  }

  set(sandbox: string, held: Held): void {
    const path = this.#pathOf(sandbox)
    writeFileSync(`${path}.new`, JSON.stringify({ sandbox, ...held } satisfies Kept), { mode: 0o600 })
    renameSync(`${path}.new`, path)
    this.#held.set(sandbox, held)
  }

  remove(sandbox: string): void {
    if (this.#held.delete(sandbox)) rmSync(this.#pathOf(sandbox), { force: true })
  }

  #take(file: string): void {
    const path = join(this.directory, file)
    if (file.endsWith('.new')) rmSync(path, { force: true })
    if (!file.endsWith(SUFFIX)) return
    try {
      const { sandbox, ...held } = kept.parse(JSON.parse(readFileSync(path, 'utf8')))
      this.#held.set(sandbox, held)
    } catch {
      // Cut short by a power failure, which ended the machine, too. Without a policy the way out is closed.
      rmSync(path, { force: true })
    }
  }

  #pathOf(sandbox: string): string {
    return join(this.directory, `${encodeURIComponent(sandbox)}${SUFFIX}`)
  }
}
