import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ALL_ROUTES } from '../../../shared/contracts/all-routes.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import { createSandboxBody, execBody, runBody } from '../../../shared/contracts/sandbox-bodies.ts'
import { SANDBOX_ROUTES } from '../../../shared/contracts/sandboxes.ts'
import { ID_KINDS } from '../../../shared/ids.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { machineKey, SIZE_NAMES, SIZES, sizeOf } from '../../../shared/machines.ts'

const isValid = (schema: { safeParse: (value: unknown) => { success: boolean } }, value: unknown): boolean =>
  schema.safeParse(value).success

// Clients in the field send option keys that we do not know yet; refusing them would break them.
test('unknown fields are ignored, and never kept', () => {
  const parsed = createSandboxBody.parse({ template_id: 'default', allow_provision: true, response_format: 'compact' })
  assert.deepEqual(parsed, { template_id: 'default' })
})

test('sizes and timeouts outside the limits are refused, those on the limits are not', () => {
  const bounds = [
    ['cpu_count', LIMITS.vcpusMin, LIMITS.vcpusMax],
    ['memory_mb', LIMITS.memoryMibMin, LIMITS.memoryMibMax],
    ['disk_size_mb', LIMITS.diskMibMin, LIMITS.diskMibMax],
    ['timeout_sec', LIMITS.timeoutSecMin, LIMITS.timeoutSecMax],
    ['idle_timeout_sec', 0, LIMITS.idleTimeoutSecMax],
  ] as const
  for (const [field, min, max] of bounds) {
    for (const good of [min, max]) assert.ok(isValid(createSandboxBody, { [field]: good }), `${field} ${good}`)
    for (const bad of [min - 1, max + 1, min + 0.5, `${min}`, null, Number.NaN]) {
      assert.ok(!isValid(createSandboxBody, { [field]: bad }), `${field} ${bad}`)
    }
  }
})

test('a command is a shell line or a program with arguments, not both, not neither, not empty, not over the limit', () => {
  assert.ok(isValid(execBody, { command: 'true' }))
  assert.ok(isValid(execBody, { cmd: 'ls', args: ['-l'] }))
  const tooLong = 'x'.repeat(LIMITS.commandBytesMax + 1)
  for (const bad of [
    {},
    { command: '' },
    { command: 'a', cmd: 'b' },
    { command: 7 },
    { command: tooLong },
    { command: 'a\0b' },
  ]) {
    assert.ok(!isValid(execBody, bad), JSON.stringify(bad).slice(0, 40))
    assert.ok(!isValid(runBody, bad))
  }
})

// A path names a sandbox by its id or its name; one that could be either would be found by neither.
test('a name never begins as an id does', () => {
  for (const kind of ID_KINDS)
    for (const body of [createSandboxBody, runBody]) {
      const others = body === runBody ? { command: 'true' } : {}
      assert.ok(!isValid(body, { ...others, name: `${kind}_mine` }), kind)
      assert.ok(isValid(body, { ...others, name: `${kind}-mine` }), kind)
      assert.ok(isValid(body, { ...others, name: `my ${kind}_` }), kind)
    }
})

test('stdin is any text, NUL too, but no half of a surrogate pair', () => {
  for (const body of [execBody, runBody]) {
    assert.ok(isValid(body, { command: 'cat', stdin: 'a\0b \u{1f600}' }))
    assert.ok(!isValid(body, { command: 'cat', stdin: 'a\ud800' }))
    assert.ok(!isValid(body, { command: 'cat', stdin: 'x'.repeat(LIMITS.stdinBytesMax + 1) }))
  }
})

test('a variable has a name that a shell accepts, and all of them together stay within the limit', () => {
  assert.ok(isValid(createSandboxBody, { env: { PATH_2: 'x' } }))
  for (const name of ['', '1A', 'A-B', 'A=B', 'A B'])
    assert.ok(!isValid(createSandboxBody, { env: { [name]: 'x' } }), name)
  assert.ok(!isValid(createSandboxBody, { env: { BIG: 'x'.repeat(LIMITS.envBytesMax) } }))
})

test('no JSON value makes a schema throw anything but its own refusal', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      for (const schema of [createSandboxBody, runBody, execBody]) schema.safeParse(value)
    }),
  )
})

test('every route has a path of its own and a scope', () => {
  const routes = Object.values(SANDBOX_ROUTES)
  assert.equal(new Set(routes.map((route) => `${route.method} ${route.path}`)).size, routes.length)
  for (const route of routes) assert.match(route.scope, /^sandboxes:/)
})

// A stream has no schema, so nobody who reads the document would know its events otherwise.
test('what is told as it happens is described, event by event', () => {
  const silent = ALL_ROUTES.filter((route: Route) => route.forms === true && route.told === undefined)
  assert.deepEqual(
    silent.map(({ path }) => path),
    [],
  )
})

test('a size has a name both ways, and every other machine is custom', () => {
  for (const name of SIZE_NAMES) assert.equal(sizeOf(SIZES[name]), name)
  assert.equal(sizeOf({ vcpus: 3, memoryMib: 2_048, diskMib: 10_240 }), 'custom')
  assert.equal(machineKey(SIZES.xs), '1x2048x10240')
})
