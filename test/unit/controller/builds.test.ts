/** What is decided about builds: when two have the same steps, where a build may go, and what of a program's words is kept. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ACTIVE_STATES,
  type BuildEvent,
  isEnded,
  nextBuildState,
  OPEN_STATES,
} from '../../../origin/controller/templates/builds/build-life.ts'
import { createLineCutter } from '../../../origin/controller/templates/builds/cut-lines.ts'
import { planSteps } from '../../../origin/controller/templates/builds/plan-steps.ts'
import { judgeBuildSpec, requireBuildSpec } from '../../../origin/controller/templates/check-build-spec.ts'
import {
  nameOfTemplate,
  parseTemplateReference,
  versionName,
  versionOf,
} from '../../../origin/controller/templates/template-reference.ts'
import { BUILD_STATES } from '../../../shared/contracts/templates.ts'
import { SIZES } from '../../../shared/machines.ts'

const EVENTS: BuildEvent[] = ['begin', 'built', 'certified', 'kept', 'again', 'fail', 'cancel']
const BEGINNING = { identity: 'default image-1', machine: SIZES.xs }
const keysOf = (spec: object, beginning = BEGINNING): string[] =>
  planSteps(requireBuildSpec(spec), beginning).map(({ key }) => key)
const lines = fc.array(
  fc.string({ minLength: 1 }).filter((line) => line.trim() !== '' && line.isWellFormed()),
  {
    maxLength: 6,
  },
)
const specOf = (some: string[]) => ({ steps: some.map((run) => ({ run: run.replaceAll('\0', '0') })) })

// A sandbox that was made by other steps would be somebody else's template.
test('steps have the same keys for as long as everything before them is the same, and no longer', () => {
  fc.assert(
    fc.property(lines, lines, lines, (same, one, other) => {
      const [a, b] = [keysOf(specOf([...same, ...one])), keysOf(specOf([...same, ...other]))]
      const alike = a.findIndex((key, place) => key !== b[place])
      const differ = one.findIndex((line, place) => line !== other[place])
      const shared = differ < 0 ? Math.min(a.length, b.length) : same.length + Math.min(differ, other.length)
      assert.deepEqual(a.slice(0, shared), b.slice(0, shared))
      if (alike >= 0) assert.ok(!b.includes(a[alike] ?? ''))
    }),
  )
})

test('another image, machine, environment, user, directory or file is another beginning', () => {
  const spec = { steps: [{ run: 'make' }] }
  const [key] = keysOf(spec)
  const others = [
    keysOf(spec, { ...BEGINNING, identity: 'default image-2' }),
    keysOf(spec, { ...BEGINNING, machine: SIZES.small }),
    keysOf({ ...spec, env: { A: '1' } }),
    keysOf({ ...spec, user: 'root' }),
    keysOf({ ...spec, workdir: '/app' }),
    keysOf({ ...spec, files: [{ path: '/a', content: 'x' }] }),
    keysOf({ ...spec, packages: { apt: ['jq'] } }),
  ]
  for (const keys of others) assert.ok(!keys.includes(key ?? ''))
  assert.deepEqual(keysOf({ ...spec, startCmd: 'serve', previewPort: 80 }), [key])
})

test('nothing of a spec is read by a shell but the lines that are meant for one', () => {
  const word = '$(touch /pwned)'
  const spec = requireBuildSpec({
    packages: { apt: ['jq'], npm: ['@scope/x@1.2.3'] },
    files: [{ path: `/tmp/${word}`, content: word }],
    workdir: `/srv/${word}`,
  })
  for (const { argv } of planSteps(spec, BEGINNING).flatMap(({ orders }) => orders)) {
    const scripts = argv.filter((_, place) => argv[place - 1] === '-c')
    for (const script of scripts) assert.ok(!script.includes(word) && !script.includes('jq'))
  }
})

test('no JSON value makes the judge of specs throw, and what it lets pass can be planned', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const { spec } = judgeBuildSpec(value)
      if (spec !== undefined) planSteps(spec, BEGINNING)
    }),
  )
})

test('what has ended never moves again, and everything else can be ended', () => {
  for (const state of BUILD_STATES) {
    const moves = EVENTS.filter((event) => nextBuildState(state, event) !== undefined)
    assert.equal(moves.length === 0, isEnded(state))
    if (!isEnded(state)) assert.ok(moves.includes('cancel') && moves.includes('fail'))
  }
  assert.deepEqual(
    OPEN_STATES.filter((state) => !ACTIVE_STATES.includes(state)),
    ['queued'],
  )
})

test('lines are the same however their bytes are cut, and none is longer than allowed', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.array(fc.nat({ max: 40 })), (text, cuts) => {
      const bytes = Buffer.from(text.toWellFormed())
      const whole = createLineCutter(16)
      const expected = [...whole.push(bytes), ...whole.end()]
      const pieces = createLineCutter(16)
      const got: string[] = []
      const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
      for (const [place, from] of [0, ...places].entries())
        got.push(...pieces.push(bytes.subarray(from, places[place] ?? bytes.length)))
      got.push(...pieces.end())
      assert.equal(got.join('\n').length > 0, expected.join('\n').length > 0)
      for (const line of [...got, ...expected]) assert.ok(line.length <= 16 && !line.includes('\n'))
      if (!text.includes('\r') && text.length <= 16) assert.deepEqual(got, expected)
    }),
  )
})

test('a table can hold every line: no NUL, no half of a pair, and of a progress bar its last state', () => {
  const cutter = createLineCutter()
  assert.deepEqual(cutter.push(Buffer.from('a\0b\r\n10%\r50%\r99%\n\xff', 'latin1')), ['a\u{fffd}b', '99%'])
  assert.deepEqual(cutter.end(), ['\u{fffd}'])
})

test('a name, its version and its tag are told apart, and a version is read as it was written', () => {
  assert.deepEqual(parseTemplateReference('web'), { by: { slug: 'web' }, pick: null })
  assert.deepEqual(parseTemplateReference('web:3'), { by: { slug: 'web' }, pick: 3 })
  assert.deepEqual(parseTemplateReference('web:0'), { by: { slug: 'web' }, pick: '0' })
  assert.deepEqual(parseTemplateReference('node:22-bookworm'), { by: { slug: 'node' }, pick: '22-bookworm' })
  assert.deepEqual(versionOf(versionName('web', 12)), { slug: 'web', version: 12 })
  assert.equal(nameOfTemplate('web:12'), 'web')
  assert.equal(versionOf('default'), null)
})
