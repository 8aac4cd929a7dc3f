/** The routes of snapshots, restore, fork and merge: parse, call, translate. */
import { SNAPSHOT_ROUTES } from '../../../shared/contracts/snapshots.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import type { SandboxRow } from '../database/schema/sandboxes.ts'
import type { Reply } from '../sandboxes/answer-once.ts'
import type { KeptAnswer } from '../sandboxes/claim.ts'
import { findForChange, findSandbox } from '../sandboxes/find-sandbox.ts'
import { toRecord } from '../sandboxes/record.ts'
import { discardSnapshot } from '../snapshots/discard-snapshot.ts'
import { findSnapshot } from '../snapshots/find-snapshot.ts'
import { forkOnce } from '../snapshots/fork-once.ts'
import { listSnapshots } from '../snapshots/list-snapshots.ts'
import { mergeOnce } from '../snapshots/merge-once.ts'
import { toSnapshotRecord } from '../snapshots/record.ts'
import { branchSnapshot, restoreOnce } from '../snapshots/restore-once.ts'
import { takeOnce } from '../snapshots/take-once.ts'
import { claimOfCall } from './claim-of-call.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'

type Routes = typeof SNAPSHOT_ROUTES

export function serveSnapshots(serve: Serve<Principal>): void {
  serve(SNAPSHOT_ROUTES.take, take)
  serve(SNAPSHOT_ROUTES.ofSandbox, ofSandbox)
  serve(SNAPSHOT_ROUTES.removeOfSandbox, removeOfSandbox)
  serve(SNAPSHOT_ROUTES.restore, restore)
  serve(SNAPSHOT_ROUTES.fork, fork)
  serve(SNAPSHOT_ROUTES.merge, merge)
  serve(SNAPSHOT_ROUTES.list, list)
  serve(SNAPSHOT_ROUTES.get, get)
  serve(SNAPSHOT_ROUTES.branch, branch)
  serve(SNAPSHOT_ROUTES.remove, remove)
}

export const replied = ({ status, response, isReplay }: Reply): Outcome => ({
  status,
  text: response,
  headers: isReplay ? { 'idempotent-replayed': 'true' } : {},
})

const answer = (status: number, data: unknown): KeptAnswer => ({ status, response: JSON.stringify({ data }) })
const record = (controller: Controller, row: SandboxRow) => toRecord(row, controller)

async function take(call: Call<Routes['take']>): Promise<Outcome> {
  return replied(await takeOnce(call.controller, { ...call, claim: claimOfCall(call, 'snapshot') }))
}

async function ofSandbox({ controller, principal, reference }: Call<Routes['ofSandbox']>): Promise<Outcome> {
  const { id } = await findSandbox(controller.database.db, principal, reference, controller.region.code)
  const { rows } = await listSnapshots(controller, principal, { resource_id: id })
  return json({ data: rows.map((row) => toSnapshotRecord(row, controller.region.code)) })
}

async function removeOfSandbox(call: Call<Routes['removeOfSandbox']>): Promise<Outcome> {
  const { controller, principal, reference, params } = call
  const { id } = await findForChange(controller.database.db, principal, reference, controller.region.code)
  const row = await findSnapshot(controller, principal, params.snapshot ?? '', id)
  await discardSnapshot(controller, row.id)
  return { text: null }
}

async function restore(call: Call<Routes['restore']>): Promise<Outcome> {
  const request = { ...call, snapshotId: call.params.snapshot ?? '', claim: claimOfCall(call, 'restore') }
  return replied(await restoreOnce(call.controller, request, call.arrival.timing))
}

async function fork(call: Call<Routes['fork']>): Promise<Outcome> {
  const { controller, principal, reference, body } = call
  const claim = claimOfCall(call, 'fork')
  if (body.snapshot_id !== undefined && body.snapshot_id !== null) {
    const { id } = await findForChange(controller.database.db, principal, reference, controller.region.code)
    const from = await findSnapshot(controller, principal, body.snapshot_id, id)
    return replied(await branchSnapshot(controller, { principal, claim, body, from }, call.arrival.timing))
  }
  const answerOf = (rows: SandboxRow[]): KeptAnswer => {
    const records = rows.map((row) => record(controller, row))
    return answer(SNAPSHOT_ROUTES.fork.status, body.count === undefined ? records[0] : records)
  }
  const request = { principal, reference, body, claim, answerOf, isWhole: false, count: body.count ?? 1 }
  return replied(await forkOnce(controller, request))
}

async function merge(call: Call<Routes['merge']>): Promise<Outcome> {
  const { controller, principal, reference, body } = call
  const answerOf = (row: SandboxRow): KeptAnswer => answer(SNAPSHOT_ROUTES.merge.status, record(controller, row))
  const claim = claimOfCall(call, 'merge')
  return replied(await mergeOnce(controller, { principal, claim, answerOf, parent: reference, winner: body.winner }))
}

async function list({ controller, principal, query }: Call<Routes['list']>): Promise<Outcome> {
  const { rows, nextCursor } = await listSnapshots(controller, principal, query)
  return json({ data: rows.map((row) => toSnapshotRecord(row, controller.region.code)), next_cursor: nextCursor })
}

async function get({ controller, principal, reference }: Call<Routes['get']>): Promise<Outcome> {
  return json({ data: toSnapshotRecord(await findSnapshot(controller, principal, reference), controller.region.code) })
}

async function branch(call: Call<Routes['branch']>): Promise<Outcome> {
  const { controller, principal, reference, body } = call
  const from = await findSnapshot(controller, principal, reference)
  const request = { principal, claim: claimOfCall(call, 'fork'), body, from }
  return replied(await branchSnapshot(controller, request, call.arrival.timing))
}

async function remove({ controller, principal, reference }: Call<Routes['remove']>): Promise<Outcome> {
  const row = await findSnapshot(controller, principal, reference)
  await discardSnapshot(controller, row.id)
  return { text: null }
}
