/** What there is to choose from is what there is: the regions, sizes, templates and prices of this moment. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CATALOG_ROUTES } from '../../../../shared/contracts/catalog.ts'
import type { Route } from '../../../../shared/contracts/route.ts'
import { at, type TestRegion, textAt, until } from '../support/region.ts'

export function catalogPromises(regionOf: () => TestRegion): void {
  const read = async (path: string) => {
    const answer = await regionOf().ask(path)
    assert.equal(answer.status, 200, answer.text)
    return answer.json
  }
  const idsAt = (json: unknown, ...path: string[]): unknown[] => {
    const rows = at(json, ...path)
    assert.ok(Array.isArray(rows))
    return rows.map((row) => at(row, 'id'))
  }

  test('every answer is of the shape that its contract gives, and needs a key', async () => {
    for (const route of Object.values(CATALOG_ROUTES) as Route[]) {
      const path = route.path.replace(':id', 'default')
      route.answer?.parse(await read(path))
      assert.equal((await regionOf().ask(path, { key: null })).status, 401, path)
    }
  })

  test('templates are those that machines offer, by their names or their aliases', async () => {
    assert.deepEqual(idsAt(await read('/v1/sandbox-templates'), 'data'), ['default', 'python-datasci'])
    assert.deepEqual(idsAt(await read('/v1/sandbox-templates?include_aliases=true'), 'data'), [
      'default',
      'python-datasci',
      'miosa-sandbox',
      'base',
      'code-interpreter-v1',
    ])
    const alias = await read('/v1/sandbox-templates/miosa-sandbox')
    assert.deepEqual([at(alias, 'id'), at(alias, 'image_id')], ['miosa-sandbox', 'default'])
    for (const id of ['none', 'constructor', '__proto__', '%00']) {
      const answer = await regionOf().ask(`/v1/sandbox-templates/${id}`)
      assert.deepEqual([answer.status, textAt(answer.json, 'error', 'code')], [404, 'no_such_template'])
    }
  })

  test('a size that no machine is large enough for is not available', async () => {
    const { host } = regionOf()
    const available = async () => {
      const sizes = at(await read('/v1/compute/sizes'), 'data')
      assert.ok(Array.isArray(sizes))
      return sizes.filter((size) => at(size, 'available') === true).map((size) => at(size, 'id'))
    }
    assert.deepEqual(await available(), ['xs', 'small', 'medium', 'large', 'xl'])
    // Of what is promised in all, and of what one machine may have where more is promised than there is.
    for (const most of ['memoryMib', 'vmMemoryMibMax'] as const) {
      const before = host[most]
      host[most] = 8_192
      try {
        await until('the region to hear of it', async () => (await available()).length === 3)
        assert.deepEqual(await available(), ['xs', 'small', 'medium'])
        const { json } = await regionOf().ask('/v1/sandboxes', { method: 'POST', body: { size: 'xl' } })
        assert.equal(textAt(json, 'error', 'code'), 'capacity_exhausted')
      } finally {
        host[most] = before
      }
      await until('the region to hear of its end', async () => (await available()).length === 5)
    }
  })

  test('prices are those of today', async () => {
    const json = await read('/v1/compute/pricing')
    assert.deepEqual(at(json, 'data', 'per_hour'), {
      vcpu: 0.05,
      memory_gib: 0.016,
      paused_memory_gib: 0.002,
      disk_gib: 0.0001,
    })
    assert.deepEqual(at(json, 'data', 'sizes', 'small'), { running_per_hour: 0.166, paused_per_hour: 0.01 })
  })

  test('a region knows itself', async () => {
    assert.deepEqual(at(await read('/v1/compute/regions'), 'data'), [
      { id: 'usw1', code: 'usw1', name: 'us-west', url: null, current: true },
    ])
  })
}
