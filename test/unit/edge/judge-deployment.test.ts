/** Settings that would deploy and then not work, or leak, or meddle with another environment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { judgeDeployment, SECRETS, type Settings } from '../../../infra/edge/judge-deployment.ts'
import { readDeployment } from '../../../infra/edge/read-deployment.ts'

const GOOD: Settings = {
  name: 'edge',
  routes: ['api.a.example/*', '*.preview.a.example/*'],
  crons: ['* * * * *'],
  vars: { PREVIEW_DOMAIN: 'preview.a.example' },
  secrets: [...SECRETS],
  durableClasses: ['TenantQuota'],
  migratedClasses: ['TenantQuota'],
  kvIds: ['kv1'],
  rateNamespaces: ['1'],
}
const OTHER: Settings = {
  ...GOOD,
  name: 'edge-staging',
  routes: ['api.b.example/*', '*.preview.b.example/*'],
  vars: { PREVIEW_DOMAIN: 'preview.b.example' },
  kvIds: ['kv2'],
  rateNamespaces: ['2'],
}
const judge = (changes: Partial<Settings>): string[] =>
  judgeDeployment(
    new Map([
      ['staging', OTHER],
      ['production', { ...GOOD, ...changes }],
    ]),
  )

test('what stands in wrangler.toml may be deployed, as far as its settings say', () => {
  assert.deepEqual(
    judgeDeployment(readDeployment(fileURLToPath(new URL('../../../wrangler.toml', import.meta.url)))),
    [],
  )
})

test('each thing that a deployment needs is missed by name', () => {
  const cases: [Partial<Settings>, RegExp][] = [
    [{ routes: ['*.preview.a.example/*'] }, /No route serves api/],
    [{ routes: ['api.a.example/*'] }, /\*\.preview\.a\.example\/\* is missing/],
    [{ vars: {} }, /No route serves the previews/],
    [{ crons: [] }, /No cron/],
    [{ secrets: ['KEY_PEPPER', 'INTERNAL_TOKEN'] }, /EDGE_SIGNING_KEY is not required/],
    [{ vars: { ...GOOD.vars, KEY_PEPPER: 'x' } }, /KEY_PEPPER stands in the file/],
    [{ migratedClasses: [] }, /No migration makes the Durable Object class TenantQuota/],
  ]
  for (const [changes, fault] of cases) {
    const faults = judge(changes)
    assert.equal(faults.length, 1, faults.join('\n'))
    assert.match(faults[0] ?? '', fault)
    assert.match(faults[0] ?? '', /^production: /)
  }
  assert.deepEqual(judge({}), [])
})

test('two environments never share a name, a route, a store or a counter', () => {
  for (const part of ['name', 'routes', 'kvIds', 'rateNamespaces'] as const) {
    const faults = judge({ [part]: OTHER[part] })
    assert.ok(
      faults.some((fault) => fault.includes('is also that of staging')),
      part,
    )
  }
})

test('both environments have to be there', () => {
  assert.deepEqual(judgeDeployment(new Map([['staging', OTHER]])), ['production: is not in the file.'])
})
