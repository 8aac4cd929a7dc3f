/** Where a sandbox may go, out of all that was said of it: what never opens by accident, and which of two rules decides. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PolicyRow, RuleRow, SecretRow } from '../../../origin/controller/database/schema/egress.ts'
import { type EgressBook, effectivePolicy, type Subject } from '../../../origin/controller/egress/effective-policy.ts'
import { markOf } from '../../../origin/controller/egress/host-policy.ts'
import { inOrder, type RankedRule } from '../../../origin/controller/egress/rule-order.ts'
import { carriedWish, opens, wishOf } from '../../../origin/controller/egress/wish.ts'
import { EGRESS_EFFECTS, EGRESS_MODES, egressPolicy } from '../../../shared/contracts/host-egress.ts'
import type { EgressWish } from '../../../shared/egress-wish.ts'

const NOW = Date.UTC(2026, 10, 22)
const CLOSED = { default_effect: 'deny', allow_private: false } as const
const ME = 'sbx_me'
const OTHER = 'sbx_other'

const common = { tenant: 't', createdAt: new Date(NOW), deletedAt: null, version: 1 }
const anyResource = fc.constantFrom(null, ME, OTHER)
const anyHost = fc.constantFrom('*', '*.a.io', '*.x.a.io', 'a.io', 'x.a.io', 'y.x.a.io', '10.0.0.1')
const anyEffect = fc.constantFrom(...EGRESS_EFFECTS)

const anyPolicy: fc.Arbitrary<PolicyRow> = fc
  .record({
    id: fc.uuid(),
    resource: anyResource,
    name: fc.constant('p'),
    mode: fc.constantFrom(...EGRESS_MODES),
    defaultEffect: anyEffect,
  })
  .map((row) => ({ ...common, ...row }))

const anyRule: fc.Arbitrary<RuleRow> = fc
  .record({
    id: fc.uuid(),
    resource: anyResource,
    policy: fc.constant(null),
    host: anyHost,
    effect: anyEffect,
    methods: fc.constantFrom<RuleRow['methods']>(null, ['GET']),
    pathGlob: fc.constantFrom(null, '/v1/**'),
    ports: fc.constantFrom<RuleRow['ports']>(null, [8443]),
    note: fc.constant(null),
  })
  .map((row) => ({ ...common, ...row }))

const secretOf = (over: Partial<SecretRow>): SecretRow => ({
  ...common,
  id: 'esec_1',
  resource: null,
  name: 's',
  type: 'api_key',
  scope: 'user',
  exposeAsEnv: 'KEY',
  hosts: ['a.io'],
  workspaceId: null,
  ownerUserId: null,
  externalUserId: null,
  externalWorkspaceId: null,
  metadata: {},
  placeholder: 'atoll_secret_0123456789',
  value: 'sealed',
  maskedValue: '…',
  expiresAt: null,
  changedAt: new Date(NOW),
  ...over,
})

const bookOf = (over: Partial<EgressBook>): EgressBook => ({
  version: 1,
  policies: [],
  rules: [],
  secrets: [],
  bindings: [],
  ...over,
})
const anyBook = fc
  .record({ policies: fc.array(anyPolicy, { maxLength: 4 }), rules: fc.array(anyRule, { maxLength: 8 }) })
  .map(bookOf)
const subjectOf = (egress: EgressWish | null = null, over: Partial<Subject> = {}): Subject => ({
  id: ME,
  workspace: null,
  externalUserId: null,
  externalWorkspaceId: null,
  egress,
  ...over,
})

test('a sandbox of which nothing is said has no way out', () => {
  assert.equal(effectivePolicy(subjectOf(), bookOf({}), CLOSED, NOW).policy, null)
  const open = effectivePolicy(subjectOf(), bookOf({}), { ...CLOSED, default_effect: 'allow' }, NOW)
  assert.equal(open.policy?.default_effect, 'allow')
})

test('what is said of another sandbox changes nothing', () => {
  fc.assert(
    fc.property(anyBook, (book) => {
      const mine = bookOf({
        policies: book.policies.filter(({ resource }) => resource !== OTHER),
        rules: book.rules.filter(({ resource }) => resource !== OTHER),
      })
      const all = effectivePolicy(subjectOf(), book, CLOSED, NOW)
      assert.deepEqual(all, effectivePolicy(subjectOf(), mine, CLOSED, NOW))
    }),
  )
})

// A rule that its host would not take would leave the sandbox with what it had before.
test('whatever is said comes to a policy that a host takes, the same for every order in which it was read', () => {
  fc.assert(
    fc.property(anyBook, fc.infiniteStream(fc.nat()), (book, draws) => {
      const shuffled = bookOf({
        policies: book.policies.toReversed(),
        rules: book.rules.toSorted(() => ((draws.next().value ?? 0) % 2 === 0 ? 1 : -1)),
      })
      const one = effectivePolicy(subjectOf(), book, CLOSED, NOW)
      const other = effectivePolicy(subjectOf(), shuffled, CLOSED, NOW)
      if (one.policy !== null) egressPolicy.parse({ ...one.policy, secrets: [] })
      assert.deepEqual(other, one)
      assert.equal(markOf(other), markOf(one))
    }),
  )
})

test('without a rule or a default that allows, and while it is enforced, nothing is open', () => {
  fc.assert(
    fc.property(anyBook, (book) => {
      const denying = bookOf({
        policies: book.policies.map((row) => ({ ...row, mode: 'enforce', defaultEffect: 'deny' })),
        rules: book.rules.map((row) => ({ ...row, effect: 'deny' })),
      })
      const { policy } = effectivePolicy(subjectOf(), denying, CLOSED, NOW)
      assert.ok(policy === null || (policy.default_effect === 'deny' && policy.mode === 'enforce'))
      assert.ok(policy === null || policy.rules.every(({ effect }) => effect === 'deny'))
    }),
  )
})

const anyRanked: fc.Arbitrary<RankedRule> = fc.record({
  rule: fc.record({ id: fc.uuid(), host: anyHost, effect: anyEffect }),
  isOwn: fc.boolean(),
})

test('of rules that say as much of the same host, the one that denies is looked at first', () => {
  fc.assert(
    fc.property(fc.array(anyRanked, { maxLength: 12 }), fc.boolean(), (ranked, isOwn) => {
      const ordered = inOrder(ranked.map(({ rule }) => ({ rule, isOwn })))
      for (const host of new Set(ordered.map((rule) => rule.host))) {
        const effects = ordered.filter((rule) => rule.host === host).map(({ effect }) => effect)
        assert.deepEqual(
          effects,
          effects.toSorted((a, b) => Number(a === 'allow') - Number(b === 'allow')),
        )
      }
    }),
  )
})

test('a name goes before all below a name, the longer before the shorter, and every name comes last', () => {
  const rule = (host: string) => ({ rule: { id: host, host, effect: 'allow' as const }, isOwn: false })
  const hosts = ['*', '*.a.io', '*.x.a.io', 'y.x.a.io']
  assert.deepEqual(
    inOrder(hosts.map(rule)).map(({ host }) => host),
    hosts.toReversed(),
  )
  const shared = { ...rule('a.io').rule, effect: 'deny' as const, id: 'shared' }
  const own = { ...rule('a.io').rule, id: 'own' }
  const ids = inOrder([
    { rule: shared, isOwn: false },
    { rule: own, isOwn: true },
  ]).map(({ id }) => id)
  assert.deepEqual(ids, ['own', 'shared'])
})

test('a sandbox that was made without a way out has none, whatever holds for the others', () => {
  fc.assert(
    fc.property(anyBook, (book) => {
      const others = bookOf({
        policies: book.policies.map((row) => ({ ...row, resource: null })),
        rules: book.rules.map((row) => ({ ...row, resource: null })),
      })
      const defaults = { ...CLOSED, default_effect: 'allow' as const }
      assert.equal(effectivePolicy(subjectOf(wishOf(false)), others, defaults, NOW).policy, null)
    }),
  )
})

test('of two policies for the same the stricter one counts, and one for the sandbox goes before one for all', () => {
  const policy = (over: Partial<PolicyRow>): PolicyRow => ({
    ...common,
    id: 'epol_1',
    resource: null,
    name: 'p',
    mode: 'enforce',
    defaultEffect: 'deny',
    ...over,
  })
  const inForce = (...policies: PolicyRow[]) => {
    const { policy: found } = effectivePolicy(subjectOf(), bookOf({ policies }), CLOSED, NOW)
    return [found?.mode, found?.default_effect]
  }
  const open = policy({ id: 'epol_2', mode: 'audit_only', defaultEffect: 'allow' })
  assert.deepEqual(inForce(open, policy({})), ['enforce', 'deny'])
  assert.deepEqual(inForce(policy({}), { ...open, resource: ME }), ['audit_only', 'allow'])
  assert.deepEqual(inForce(open, policy({ resource: ME })), ['enforce', 'deny'])
})

// A secret in the sandbox of another end user would let that user spend it.
test('a secret is for the sandboxes of its own user, of no user when it names none, and for whom it is bound to', () => {
  const has = (secret: Partial<SecretRow>, over: Partial<Subject>, bound = false): boolean => {
    const binding = { ...common, id: 'ebnd_1', secret: 'esec_1', resource: ME, exposeAsEnv: 'BOUND' }
    const book = bookOf({ secrets: [secretOf(secret)], bindings: bound ? [binding] : [] })
    const { policy, env } = effectivePolicy(subjectOf(null, over), book, CLOSED, NOW)
    assert.equal(Object.keys(env).length, policy?.secrets.length ?? 0)
    assert.ok(Object.values(env).every((value) => value === secretOf({}).placeholder))
    return (policy?.secrets.length ?? 0) > 0
  }
  assert.ok(has({}, {}))
  assert.ok(!has({}, { externalUserId: 'u1' }))
  assert.ok(has({ scope: 'tenant' }, { externalUserId: 'u1' }))
  assert.ok(has({ externalUserId: 'u1' }, { externalUserId: 'u1' }))
  assert.ok(!has({ externalUserId: 'u1', scope: 'tenant' }, { externalUserId: 'u2' }))
  assert.ok(!has({ workspaceId: 'wsp_1' }, { workspace: 'wsp_2' }))
  assert.ok(has({ externalUserId: 'u1' }, {}, true))
  assert.ok(has({ resource: ME }, { externalUserId: 'u1' }))
  assert.ok(!has({ resource: OTHER }, {}))
  assert.ok(!has({ expiresAt: new Date(NOW) }, {}))
  assert.ok(!has({ value: '' }, {}, true))
})

test('what a child has of its own is all that was said of its parent alone, and it goes by the same rules', () => {
  fc.assert(
    fc.property(anyBook, (book) => {
      const parent = subjectOf(wishOf({ allow: ['w.io'] }))
      const child = { ...parent, id: 'sbx_child', egress: carriedWish(ME, parent.egress, book) }
      const [mine, theirs] = [parent, child].map((one) => effectivePolicy(one, book, CLOSED, NOW).policy)
      const bare = (rules: { id: string }[] = []) => rules.map(({ id: _, ...rule }) => JSON.stringify(rule)).sort()
      assert.deepEqual(bare(theirs?.rules), bare(mine?.rules))
      assert.deepEqual([theirs?.mode, theirs?.default_effect], [mine?.mode, mine?.default_effect])
    }),
  )
})

test('a wish opens something exactly when it allows something', () => {
  assert.ok(opens(wishOf(true)))
  assert.ok(!opens(wishOf(false)))
  assert.ok(opens(wishOf({ allow: ['a.io'] })))
  assert.ok(opens(wishOf({ default_effect: 'allow' })))
  assert.ok(!opens(wishOf({ deny: ['a.io'], default_effect: 'deny' })))
})
