/** What a host double does about where its sandboxes may go: keeps what it was told, and tells what a test says that they did. */
import type { IncomingMessage } from 'node:http'
import type { VmRecord, VmSpec } from '../../../../shared/contracts/host.ts'
import {
  type EgressEntry,
  type EgressSetting,
  egressLogQuery,
  egressSetting,
} from '../../../../shared/contracts/host-egress.ts'
import { AppError } from '../../../../shared/errors.ts'

export type Door = {
  vms: Map<string, VmRecord>
  /** What is in force, by sandbox. */
  egress: Map<string, EgressSetting>
  /** `id revision` of every word that came, in force or not. */
  egressSaid: string[]
  /** Every entry that a sandbox gave rise to; those up to `egressForgotten` are forgotten. */
  egressEntries: EgressEntry[]
  egressForgotten: number
}
export const newDoor = (): Omit<Door, 'vms'> => ({
  egress: new Map(),
  egressSaid: [],
  egressEntries: [],
  egressForgotten: 0,
})

export function setEgress(host: Door, id: string, body: unknown): { revision: number } {
  const vm = host.vms.get(id)
  if (vm === undefined) throw new AppError('sandbox_not_found', 'No such machine.')
  const said = egressSetting.parse(body)
  host.egressSaid.push(`${id} ${said.revision}`)
  if (said.revision > (host.egress.get(id)?.revision ?? 0)) begin(host, vm, said)
  return { revision: host.egress.get(id)?.revision ?? 0 }
}

/** With what its spec says, or, of a child, with what its parent has. */
export function beginEgress(host: Door, vm: VmRecord, { egress }: VmSpec, parent?: string): void {
  const inherited = parent === undefined ? undefined : host.egress.get(parent)
  if (egress !== undefined) begin(host, vm, egress)
  else if (inherited !== undefined) begin(host, vm, { ...inherited, revision: 0 })
}

function begin(host: Door, vm: VmRecord, setting: EgressSetting): void {
  host.egress.set(vm.id, setting)
  if (setting.policy === null) delete vm.egress_revision
  else vm.egress_revision = setting.revision
}

const PAGE = 3

export function tellEgress(host: Door, request: IncomingMessage): { entries: EgressEntry[]; next: number } {
  const query = new URL(request.url ?? '', 'http://host').searchParams
  const { after } = egressLogQuery.parse(Object.fromEntries(query))
  host.egressForgotten = Math.max(host.egressForgotten, after)
  const entries = host.egressEntries.filter(({ seq }) => seq > host.egressForgotten).slice(0, PAGE)
  return { entries, next: entries.at(-1)?.seq ?? after }
}
