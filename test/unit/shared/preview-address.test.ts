/** The host names of previews: what names a port of a sandbox is read as that, and nothing else is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { newId } from '../../../shared/ids.ts'
import { PORT_MAX, previewLabel, readPreviewHost } from '../../../shared/preview-address.ts'

const DOMAIN = 'preview.atoll.example'
const anySandbox = fc
  .tuple(fc.stringMatching(/^[a-z][a-z0-9]{1,5}$/), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(([region, random]) => ({ region, sandbox: newId('sbx', region, 1_700_000_000_000, random) }))

test('an address is read back as what it was made of, and fits into a label of DNS', () => {
  fc.assert(
    fc.property(anySandbox, fc.integer({ min: 1, max: PORT_MAX }), ({ region, sandbox }, port) => {
      const label = previewLabel(port, sandbox)
      assert.ok(label.length <= 63)
      assert.deepEqual(readPreviewHost(`${label}.${DOMAIN}`, DOMAIN), { port, sandbox, region })
      assert.equal(readPreviewHost(`${label}.elsewhere.example`, DOMAIN), 'elsewhere')
      assert.equal(readPreviewHost(`${label}.x.${DOMAIN}`, DOMAIN), 'unreadable')
    }),
  )
})

test('any other name under the domain is unreadable, and no name outside of it is a preview', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z0-9.-]{0,60}$/), (text) => {
      assert.equal(readPreviewHost(`${text}.${DOMAIN}`, DOMAIN), 'unreadable')
      assert.equal(readPreviewHost(`x${DOMAIN}`, DOMAIN), 'elsewhere')
    }),
  )
  assert.equal(readPreviewHost(DOMAIN, DOMAIN), 'unreadable')
  assert.equal(readPreviewHost('api.atoll.example', DOMAIN), 'elsewhere')
})
