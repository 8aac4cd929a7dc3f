/** Bodies of requests as they are understood. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseJsonObject } from '../../../origin/controller/http/read-body.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

// All requests share one decoder. One that kept something of a body would put it before the body of another tenant.
test('a body that is no UTF-8, or is cut within a character, leaves nothing behind for the body after it', () => {
  const cut = bytes('{"name": "ä"}').subarray(0, 11)
  for (const broken of [Uint8Array.of(0xff), Uint8Array.of(0x7b, 0xc3), cut, bytes('{'), bytes('[]')]) {
    assert.throws(() => parseJsonObject(broken), { code: 'invalid_json' })
    assert.deepEqual(parseJsonObject(bytes('{"name": "ä😀"}')), { name: 'ä😀' })
  }
})

test('a mark of the byte order before a body is no part of it, in each body anew', () => {
  for (let turn = 0; turn < 3; turn++) assert.deepEqual(parseJsonObject(bytes('\ufeff{"a": 1}')), { a: 1 })
})
