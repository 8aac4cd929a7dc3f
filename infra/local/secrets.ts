/** The local stack's own secrets: made once, kept in a file that only root reads, never printed but for the API key. */
import { createHmac, randomBytes, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import * as z from 'zod'
import { type KeyRecord, SCOPES } from '../../shared/accounts.ts'
import { newApiKey } from '../../shared/ids.ts'

const secretsSchema = z.object({
  apiKey: z.string(),
  keyId: z.string(),
  tenantId: z.string(),
  pepper: z.string(),
  internalToken: z.string(),
  signingKey: z.record(z.string(), z.unknown()),
})
export type Secrets = z.infer<typeof secretsSchema>

/** Those of the last start, or new ones. */
export async function loadOrMakeSecrets(file: string): Promise<Secrets> {
  if (existsSync(file)) return secretsSchema.parse(JSON.parse(await readFile(file, 'utf8')))
  const made = await makeSecrets()
  // In one step: half a file would keep every later start from its databases.
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, `${JSON.stringify(made, null, 2)}\n`, { mode: 0o600 })
  await rename(temporary, file)
  return made
}

async function makeSecrets(): Promise<Secrets> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  return {
    apiKey: newApiKey('test', randomBytes(32)),
    keyId: `key_${randomUUID()}`,
    tenantId: `ten_${randomUUID()}`,
    pepper: randomBytes(32).toString('hex'),
    internalToken: randomBytes(32).toString('hex'),
    signingKey: { ...(await exportJWK(privateKey)), kid: randomUUID(), alg: 'EdDSA', use: 'sig' },
  }
}

/** What the regions may know of the edge's key: the public half. */
export function publicKeySet(secrets: Secrets): { keys: JWK[] } {
  const { d: _private, ...publicKey } = secrets.signingKey as JWK
  return { keys: [publicKey] }
}

export const keyHash = (secrets: Secrets): string =>
  createHmac('sha256', secrets.pepper).update(secrets.apiKey).digest('hex')

export function keyRecord(secrets: Secrets): KeyRecord {
  return {
    id: secrets.keyId,
    tenant: secrets.tenantId,
    tier: 'scale',
    scopes: [...SCOPES],
    status: 'active',
    expires: null,
    keyVersion: 1,
  }
}

/** The accounts that exist from the start. */
export function seedOf(secrets: Secrets) {
  return {
    tenants: [{ id: secrets.tenantId, name: 'local', tier: keyRecord(secrets).tier }],
    keys: [{ hash: keyHash(secrets), ...keyRecord(secrets) }],
  }
}
