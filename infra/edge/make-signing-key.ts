/**
 * `npm run signing-key -- FILE`: makes the key with which the edge signs. The private half goes into the file, for
 * `wrangler secret put EDGE_SIGNING_KEY`; the public half is printed, for the regions' ATOLL_EDGE_JWKS.
 */
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { exportJWK, generateKeyPair } from 'jose'
import { fail, placeOf, wordsOf } from './refuse-kindly.ts'

const [file] = process.argv.slice(2)
if (file === undefined)
  fail(
    'npm run --silent signing-key -- FILE\n\nThe private half goes into FILE, which must be new; the public half is printed.',
  )
const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
const { d, ...publicHalf } = { ...(await exportJWK(privateKey)), kid: randomUUID() }
// A key that is there already may be in use: it is not written over.
await writeFile(placeOf(file), JSON.stringify({ ...publicHalf, d }), { mode: 0o600, flag: 'wx' }).catch(
  (thrown: unknown) =>
    fail(`No key was made. ${file} must be a new file in a folder that is there: ${wordsOf(thrown)}`),
)
console.log(JSON.stringify(publicHalf))
