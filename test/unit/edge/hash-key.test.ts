/** Guarantees of the remembered hashes of keys: they are what they would be if nothing was remembered. */
import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { hashKey } from '../../../edge/accounts/hash-key.ts'
import { LIMITS } from '../../../shared/limits.ts'

const pepperOf = (secret: string) =>
  crypto.subtle.importKey('raw', Buffer.from(secret), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign'])
const expected = (secret: string, key: string): string => createHmac('sha256', secret).update(key).digest('hex')

// One key taken for another would be one tenant taken for another.
test('a key has its own hash under its own pepper, asked for the first time or again', async () => {
  const [one, other] = [await pepperOf('one pepper'), await pepperOf('other pepper')]
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ maxLength: 4 }), { maxLength: 20 }), async (keys) => {
      for (const key of [...keys, ...keys]) {
        assert.equal(await hashKey(one, key), expected('one pepper', key))
        assert.equal(await hashKey(other, key), expected('other pepper', key))
      }
    }),
  )
})

test('more keys than are remembered change nothing', async () => {
  const pepper = await pepperOf('a pepper of many keys')
  const keys = Array.from({ length: LIMITS.edgeCacheEntriesMax + 10 }, () => randomBytes(6).toString('hex'))
  for (const key of keys) await hashKey(pepper, key)
  for (const key of [...keys.slice(0, 20), ...keys.slice(-20)])
    assert.equal(await hashKey(pepper, key), expected('a pepper of many keys', key))
})
