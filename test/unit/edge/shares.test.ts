/** The share-out of a limit between regions, under everything that a network and crashes can do to it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decide, fence, freeOf, NO_SHARES, note, noteRow, type Shares } from '../../../edge/quota/shares.ts'
import type { QuotaAnswer, QuotaReport, QuotaRow } from '../../../shared/contracts/quota.ts'

const REGIONS = ['usw1', 'eu1', 'use1']
/** `life` counts the restores: who waited for an answer before one is gone after it. */
type Row = { epoch: number; granted: number; used: number; limit: number; version: number; life: number }
type Asked = { report: QuotaReport; life: number }

/** What the region's statements do to its row: origin/controller/quota/grant-row.ts. */
class World {
  shares: Shares = NO_SHARES
  readonly rows = new Map<string, Row>()
  readonly reports: Asked[] = []
  readonly answers: { region: string; answer: QuotaAnswer; life: number }[] = []
  readonly givenBack: { region: string; row: QuotaRow }[] = []
  truth = { limit: 0, version: 0 }
  #newest = 1_000

  constructor(limit: number) {
    this.truth = { limit, version: 0 }
    for (const region of REGIONS) this.rows.set(region, { epoch: 0, granted: 0, used: 0, limit, version: 0, life: 0 })
  }

  /** As milliseconds are: ahead of every epoch that was ever drawn. */
  clock(): number {
    this.#newest += 1_000
    return this.#newest
  }

  row(region: string): Row {
    const row = this.rows.get(region)
    assert.ok(row)
    return row
  }

  begin(region: string, reason: QuotaReport['reason'], want: number, floor = 0): QuotaReport {
    const row = this.row(region)
    row.epoch = Math.max(row.epoch, floor) + 1
    const { epoch, granted, used, limit, version } = row
    return { region, tenant: 't', epoch, granted, used, reason, want, limit, limit_version: version }
  }

  serve(report: QuotaReport): QuotaAnswer {
    const noted = note(this.shares, report)
    const { shares, answer } = decide(noted ?? this.shares, noted === undefined ? { ...report, epoch: -1 } : report, 3)
    this.shares = shares
    return answer
  }

  apply(region: string, answer: QuotaAnswer): void {
    const row = this.row(region)
    if (answer.kind === 'share' && row.epoch === answer.epoch) row.granted = answer.granted
  }

  giveBack(region: string, need: number): QuotaRow {
    const row = this.row(region)
    const idle = row.granted - row.used
    if (idle <= 0) return { ...row, lowered: false }
    row.granted -= Math.min(idle, Math.max(need, Math.ceil(idle / 2)))
    row.epoch += 1
    return { ...row, lowered: true }
  }

  held(region: string): number {
    return this.shares.holdings.get(region)?.held ?? 0
  }

  sum(of: (region: string) => number): number {
    return REGIONS.reduce((sum, region) => sum + of(region), 0)
  }
}

const region = fc.constantFrom(...REGIONS)
const which = fc.nat({ max: 1_000 })
const action = fc.oneof(
  fc.record({ kind: fc.constant('begin' as const), region, reason: fc.constantFrom('need', 'ahead', 'report'), which }),
  fc.record({
    kind: fc.constantFrom('serve', 'serve_copy', 'lose_report', 'apply', 'apply_copy', 'lose_answer'),
    which,
  }),
  fc.record({ kind: fc.constantFrom('give_back', 'hear_row', 'lose_row'), region, which }),
  fc.record({ kind: fc.constantFrom('create', 'destroy', 'restart', 'restore', 'learn'), region }),
  fc.record({ kind: fc.constant('limit' as const), limit: fc.integer({ min: 0, max: 60 }) }),
)
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never

const take = <T>(from: T[], which: number, isCopied = false): T | undefined =>
  from.length === 0 ? undefined : isCopied ? from[which % from.length] : from.splice(which % from.length, 1)[0]

function act(world: World, action: Action): void {
  switch (action.kind) {
    case 'begin':
      world.reports.push({
        report: world.begin(action.region, action.reason as QuotaReport['reason'], action.which % 9),
        life: world.row(action.region).life,
      })
      return
    case 'serve':
    case 'serve_copy': {
      const asked = take(world.reports, action.which, action.kind === 'serve_copy')
      if (asked === undefined) return
      const { report, life } = asked
      world.answers.push({ region: report.region, answer: world.serve(report), life })
      return
    }
    case 'apply':
    case 'apply_copy': {
      const said = take(world.answers, action.which, action.kind === 'apply_copy')
      if (said !== undefined && said.life === world.row(said.region).life) world.apply(said.region, said.answer)
      return
    }
    case 'lose_report':
      return void take(world.reports, action.which)
    case 'lose_answer':
      return void take(world.answers, action.which)
    case 'give_back':
      return void world.givenBack.push({
        region: action.region,
        row: world.giveBack(action.region, 1 + (action.which % 5)),
      })
    case 'hear_row': {
      const heard = take(world.givenBack, action.which)
      if (heard !== undefined) world.shares = noteRow(world.shares, heard.region, heard.row)
      return
    }
    case 'lose_row':
      return void take(world.givenBack, action.which)
    case 'create': {
      const row = world.row(action.region)
      if (row.used < row.granted) row.used += 1
      return
    }
    case 'destroy': {
      const row = world.row(action.region)
      row.used = Math.max(0, row.used - 1)
      return
    }
    case 'restart':
    case 'restore': {
      const row = world.row(action.region)
      row.granted = 0
      // What was restored is older than what was sent since; only a clock is sure to be ahead of both.
      if (action.kind === 'restore') row.epoch = Math.floor(row.epoch / 2)
      row.epoch = Math.max(row.epoch + 1, world.clock())
      row.life += action.kind === 'restart' ? 0 : 1
      return
    }
    case 'learn':
      Object.assign(world.row(action.region), { limit: world.truth.limit, version: world.truth.version })
      return
    case 'limit':
      world.truth = { limit: action.limit, version: world.truth.version + 1 }
  }
}

test('no region ever has more than it is counted with, and what is counted never exceeds the limit, or only falls after it was lowered', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 60 }),
      fc.array(action, { maxLength: 200, size: 'max' }),
      (limit, actions) => {
        const world = new World(limit)
        let most = 0
        for (const one of actions) {
          const before = world.sum((code) => world.held(code))
          act(world, one)
          const after = world.sum((code) => world.held(code))
          for (const code of REGIONS) {
            const row = world.row(code)
            assert.ok(Math.max(row.granted, row.used) <= world.held(code), `${code} after ${JSON.stringify(one)}`)
          }
          assert.ok(after <= Math.max(world.shares.limit, before), `held ${after} of ${world.shares.limit}`)
          most = Math.max(most, world.shares.limit)
          assert.ok(world.sum((code) => world.row(code).used) <= most)
        }
      },
    ),
    { numRuns: 1_000 },
  )
})

/** One exchange with nothing lost, which asks the others to give back as the authority does. */
function exchange(world: World, code: string, want: number): void {
  let report = world.begin(code, want > 0 ? 'need' : 'report', want)
  let answer = world.serve(report)
  if (answer.kind === 'late') {
    report = world.begin(code, report.reason, want, answer.epoch)
    answer = world.serve(report)
  }
  const isDry = answer.kind === 'share' && answer.granted <= report.used
  if (want > 0 && isDry) {
    for (const other of REGIONS.filter((one) => one !== code))
      world.shares = noteRow(world.shares, other, world.giveBack(other, want))
    const again = decide(world.shares, report, 3)
    world.shares = again.shares
    answer = again.answer
  }
  world.apply(code, answer)
}

// Whatever was lost must be found again by asking, or a tenant would lose a part of its limit for ever.
test('after any history every slot of the limit can be used, in whichever region asks', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(action, { maxLength: 100, size: 'max' }),
      region,
      (limit, actions, code) => {
        const world = new World(limit)
        for (const one of actions) act(world, one)
        for (const each of REGIONS) act(world, { kind: 'learn', region: each })
        for (let round = 0; round < 12; round++) for (const each of REGIONS) exchange(world, each, 0)
        const row = world.row(code)
        const left = world.truth.limit - world.sum((each) => world.row(each).used)
        for (let slot = 0; slot < left; slot++) {
          if (row.used >= row.granted) exchange(world, code, left - slot)
          assert.ok(row.used < row.granted, `slot ${slot} of ${left}, ${freeOf(world.shares)} free`)
          row.used += 1
        }
        exchange(world, code, 1)
        assert.ok(row.used >= row.granted)
      },
    ),
    { numRuns: 500 },
  )
})

test('an eighth at a time, half of what is free at most, and small limits or single regions whole', () => {
  const grantedAt = (limit: number, regions: number, want: number, reason: QuotaReport['reason'] = 'need') => {
    const report = { region: 'usw1', tenant: 't', epoch: 1, granted: 0, used: 0, reason, want, limit, limit_version: 0 }
    const noted = note(NO_SHARES, report)
    assert.ok(noted)
    const { answer } = decide(noted, report, regions)
    return answer.kind === 'share' ? answer.granted : answer
  }
  assert.deepEqual([grantedAt(50, 2, 1), grantedAt(50, 2, 100), grantedAt(50, 2, 0, 'ahead')], [7, 25, 7])
  assert.deepEqual([grantedAt(50, 1, 1), grantedAt(4, 3, 1), grantedAt(0, 3, 1)], [50, 4, 0])
  assert.equal(grantedAt(50, 2, 9, 'report'), 0)
})

test('a region that was fenced holds nothing, its old reports are late, and it is counted again when it comes back', () => {
  const report: QuotaReport = {
    region: 'usw1',
    tenant: 't',
    epoch: 3,
    granted: 20,
    used: 12,
    reason: 'report',
    want: 0,
    limit: 50,
    limit_version: 0,
  }
  const fenced = fence(note(NO_SHARES, report) ?? NO_SHARES, 'usw1')
  assert.equal(freeOf(fenced), 50)
  assert.equal(note(fenced, { ...report, epoch: 4 }), undefined)
  const back = note(fenced, { ...report, epoch: 5, granted: 0, used: 12 })
  assert.ok(back)
  assert.equal(freeOf(back), 38)
})
