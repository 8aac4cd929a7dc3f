/** What may be set about a host's door to the network: nothing that would send the token over an open wire, or an address nobody can reach. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readConfig } from '../../../origin/hostd/config.ts'
import { newJoinToken } from '../../../shared/ids.ts'

const token = newJoinToken(new Uint8Array(32).fill(7))
const base = {
  ATOLL_HOSTD_SOCKET: '/run/a/hostd.sock',
  ATOLL_STATE_DIR: '/a',
  ATOLL_RUN_DIR: '/run/a',
  ATOLL_IMAGE_DIR: '/a',
  ATOLL_TEMPLATE_DIR: '/a',
}
const joining = {
  ATOLL_HOSTD_LISTEN: '10.0.0.7:4100',
  ATOLL_JOIN_URL: 'https://usw1.example.com',
  ATOLL_JOIN_TOKEN: token,
}

test('a host opens its socket and nothing else unless it is told to', () => {
  assert.equal(readConfig(base).network, null)
  assert.deepEqual(readConfig({ ...base, ATOLL_HOSTD_LISTEN: '[::1]:4100' }).network, {
    listen: { host: '::1', port: 4100 },
    url: undefined,
    join: null,
  })
  assert.deepEqual(readConfig({ ...base, ...joining }).network?.join, {
    regionUrl: 'https://usw1.example.com',
    token,
    name: undefined,
  })
})

for (const [name, wrong] of Object.entries({
  ATOLL_JOIN_URL: { ...joining, ATOLL_JOIN_URL: 'http://usw1.example.com' },
  ATOLL_JOIN_TOKEN: { ...joining, ATOLL_JOIN_TOKEN: `${token.slice(0, -1)}!` },
  ATOLL_HOSTD_URL: { ...joining, ATOLL_HOSTD_LISTEN: '0.0.0.0:4100' },
  ATOLL_HOSTD_LISTEN: { ...joining, ATOLL_HOSTD_LISTEN: 'everywhere' },
  ATOLL_HOST_NAME: { ...joining, ATOLL_HOST_NAME: 'no spaces' },
}))
  test(`a wrong ${name} is named, and the token is not repeated`, () => {
    assert.throws(
      () => readConfig({ ...base, ...wrong }),
      (err: Error) => err.message.includes(name) && !err.message.includes(token),
    )
  })
