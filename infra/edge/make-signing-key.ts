/**
 * `npm run signing-key -- FILE`: makes the key with which the edge signs. The private half goes into the file, for
 * `wrangler secret put EDGE_SIGNING_KEY`; the public half is printed, for the regions' ATOLL_EDGE_JWKS.
 */
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'

const [file] = process.argv.slice(2)
if (file === undefined) {
  console.error('npm run signing-key -- FILE')
  process.exit(1)
}
const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
const { d, ...publicHalf } = { ...(await exportJWK(privateKey)), kid: randomUUID() }
// npm runs its scripts at the root of the package. A key that is there already may be in use: it is not written over.
await writeFile(resolve(process.env.INIT_CWD ?? '', file), JSON.stringify({ ...publicHalf, d }), {
  mode: 0o600,
  flag: 'wx',
})
console.log(JSON.stringify(publicHalf))
