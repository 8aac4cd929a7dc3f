/** What follows from what requests say of their key, however many there are, in whatever order, and wherever they are cut off. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Bearer,
  type Binding,
  bind,
  confirm,
  type Debt,
  giveFree,
  move,
  type Step,
} from '../../../edge/idempotency/bindings.ts'

const REGIONS = ['usw1', 'eu1', 'use1'] as const
type Region = (typeof REGIONS)[number]
const aBearer = (request: string, region: string, body: string | null = 'b1'): Bearer => ({ request, region, body })

/** Every region with the claims that it has: made, or final because it was told to give it up. */
class World {
  binding: Binding | undefined
  readonly owed: Debt[] = []
  readonly made = new Map<string, string>()
  readonly final = new Set<string>()
  /** Regions from whose sandbox a caller had an answer. */
  readonly told = new Set<string>()

  ask<Word>(question: (known: Binding | undefined) => Step<Word>): Word {
    const { binding, debts, word } = question(this.binding)
    this.binding = binding
    this.owed.push(...debts)
    return word
  }

  /** As a region serves a create: one sandbox per key, whose body must stay the same. Undefined is a refusal. */
  create(region: string, body: string): 'made' | undefined {
    if (this.final.has(region) || (this.made.get(region) ?? body) !== body) return undefined
    this.made.set(region, body)
    return 'made'
  }

  pay({ region, body }: Debt): void {
    if ((this.made.get(region) ?? body) !== body) return
    this.made.delete(region)
    this.final.add(region)
  }
}

type Plan = { body: string; first: Region; next: Region; isLost: boolean; arrivesLate: boolean; cutAfter: number }

/** One request as the edge carries it out; every `yield` is a moment at which anything else may happen, or at which it is cut off. */
function* request(world: World, name: string, { body, first, next, isLost, arrivesLate }: Plan): Generator {
  const here = aBearer(name, first, body)
  if (!arrivesLate) world.create(first, body)
  yield
  const bound = world.ask((known) => bind(known, here))
  yield
  if (bound.kind === 'elsewhere') return yield* follow(world, name, body, bound)
  const answer = world.create(first, body)
  yield
  if (isLost) return yield* goOn(world, here, next)
  if (answer === undefined) return world.ask((known) => giveFree(known, here.request))
  if (bound.kind === 'shared' && !bound.isSettled) {
    const word = world.ask((known) => confirm(known, here, true))
    yield
    if (word.kind === 'elsewhere') return yield* follow(world, name, body, word)
  }
  world.told.add(first)
}

function* goOn(world: World, here: Bearer, next: Region): Generator {
  const moved = world.ask((known) => move(known, here, next))
  yield
  if (moved.kind === 'elsewhere') return yield* follow(world, here.request, here.body ?? '', moved)
  if (moved.kind === 'kept') return world.ask((known) => giveFree(known, here.request))
  const answer = world.create(next, here.body ?? '')
  yield
  if (answer === 'made') world.told.add(next)
}

function* follow(world: World, name: string, body: string, to: { region: string; isSettled: boolean }): Generator {
  const answer = world.create(to.region, body)
  yield
  if (answer === undefined) return
  if (!to.isSettled) {
    const word = world.ask((known) => confirm(known, aBearer(name, to.region, body), true))
    yield
    // The next one is not followed here: its caller is told to come back.
    if (word.kind === 'elsewhere') return
  }
  world.told.add(to.region)
}

const anyPlan: fc.Arbitrary<Plan> = fc.record({
  // Two bodies with one key are a mistake of the caller's, which must cost nobody's sandbox.
  body: fc.constantFrom('b1', 'b1', 'b1', 'b2'),
  first: fc.constantFrom(...REGIONS),
  next: fc.constantFrom(...REGIONS),
  isLost: fc.boolean(),
  arrivesLate: fc.boolean(),
  cutAfter: fc.nat({ max: 12 }),
})

/** A number picks who goes on, or which debt is paid. */
const anyHistory = fc.record({
  plans: fc.array(anyPlan, { minLength: 1, maxLength: 5 }),
  picks: fc.array(fc.nat(), { maxLength: 60 }),
})

function play({ plans, picks }: { plans: readonly Plan[]; picks: readonly number[] }): World {
  const world = new World()
  const running = plans.map((plan, index) => ({
    steps: request(world, `r${index}`, plan.next === plan.first ? { ...plan, isLost: false } : plan),
    left: plan.cutAfter,
  }))
  const goOn = (pick: number): void => {
    const one = running[pick % running.length]
    if (one === undefined || one.left === 0) return
    one.left -= 1
    if (one.steps.next().done === true) one.left = 0
  }
  for (const pick of picks) {
    const debt = world.owed[pick % Math.max(1, world.owed.length)]
    if (pick % 5 === 0 && debt !== undefined) world.pay(debt)
    else goOn(Math.floor(pick / 5))
  }
  for (let round = 0; round < 15 * running.length; round += 1) goOn(round)
  for (const debt of world.owed) world.pay(debt)
  return world
}

// Whoever had an answer uses that sandbox: were it given up for another one, their work would be gone.
test('no sandbox that a caller was told of is ever owed, and no two callers are told of two', () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      const { told, owed, made } = play(history)
      assert.ok(told.size <= 1, `told of ${[...told]}`)
      for (const region of told) {
        assert.ok(made.has(region))
        assert.ok(!owed.some((debt) => debt.region === region && debt.body === made.get(region)))
      }
    }),
    { numRuns: 5_000 },
  )
})

test('when all debts are paid, at most one region has a sandbox that a request could still be answered from', () => {
  fc.assert(
    fc.property(anyHistory, (history) => {
      const { binding, made } = play({
        ...history,
        plans: history.plans.map((plan) => ({ ...plan, body: 'b1', cutAfter: 99 })),
      })
      assert.ok(
        [...made.keys()].every((region) => region === binding?.region),
        `made in ${[...made.keys()]}`,
      )
    }),
    { numRuns: 5_000 },
  )
})

// The answer to any question may be lost, so the edge asks it again.
test('the same question of the same request has the same answer, and owes nothing more', () => {
  const questions = (bearer: Bearer): ((known: Binding | undefined) => Step<unknown>)[] => [
    (known) => bind(known, bearer),
    (known) => move(known, bearer, 'use1'),
    (known) => confirm(known, bearer, true),
    (known) => giveFree(known, bearer.request),
  ]
  const anyBearer = fc.record({
    request: fc.constantFrom('r1', 'r2'),
    region: fc.constantFrom('usw1', 'eu1'),
    body: fc.constantFrom('b1', 'b2', null),
  })
  const anyBefore = fc.array(fc.tuple(anyBearer, fc.nat({ max: 3 })), { maxLength: 6 })
  fc.assert(
    fc.property(anyBefore, anyBearer, fc.nat({ max: 3 }), (before, bearer, which) => {
      let known: Binding | undefined
      for (const [one, index] of before) known = questions(one)[index]?.(known).binding
      const first = questions(bearer)[which]?.(known)
      const second = questions(bearer)[which]?.(first?.binding)
      assert.deepEqual([second?.word, second?.binding], [first?.word, first?.binding])
      assert.ok((second?.debts ?? []).every(({ region }) => first?.binding?.owing.includes(region)))
    }),
    { numRuns: 5_000 },
  )
})

test('what cannot be undone stays where it is once a second request has come with its key, and is owed by nobody', () => {
  const first = bind(undefined, aBearer('r1', 'usw1', null))
  const second = bind(first.binding, aBearer('r2', 'eu1', null))
  assert.deepEqual(second.word, { kind: 'elsewhere', region: 'usw1', isSettled: true })
  const moved = move(second.binding, aBearer('r1', 'usw1', null), 'eu1')
  assert.deepEqual([moved.word, [...first.debts, ...second.debts, ...moved.debts]], [{ kind: 'kept' }, []])
  assert.equal(giveFree(first.binding, 'r1').binding?.state, 'held')
})

test('a key that nobody answers from goes to the next request, wherever that is, but never back', () => {
  const free = giveFree(bind(undefined, aBearer('r1', 'usw1')).binding, 'r1')
  const there = bind(free.binding, aBearer('r2', 'eu1'))
  assert.deepEqual([there.word, there.debts], [{ kind: 'yours' }, [{ region: 'usw1', body: 'b1' }]])
  const lost = giveFree(there.binding, 'r2')
  assert.equal(bind(lost.binding, aBearer('r3', 'usw1')).word.kind, 'elsewhere')
  assert.equal(bind(lost.binding, aBearer('r3', 'use1', 'b2')).word.kind, 'elsewhere')
  assert.equal(bind(lost.binding, aBearer('r3', 'use1')).word.kind, 'yours')
})
