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
  operatorToken: z.string().default(() => newToken()),
  signingKey: z.record(z.string(), z.unknown()),
})
export type Secrets = z.infer<typeof secretsSchema>

/** Those of the last start, or new ones. */
export async function loadOrMakeSecrets(file: string): Promise<Secrets> {
  const secrets = existsSync(file) ? secretsSchema.parse(JSON.parse(await readFile(file, 'utf8'))) : await makeSecrets()
  // Written every time, because a file of an earlier version lacks what is new; in one step, because half a file would keep every
  // later start from its databases.
  const temporary = `${file}.${process.pid}`
  await writeFile(temporary, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 })
  await rename(temporary, file)
  return secrets
}

const newToken = (): string => randomBytes(32).toString('hex')

async function makeSecrets(): Promise<Secrets> {
  const { privateKey } = await generateKeyPair('EdDSA', { crv: 'Ed25519', extractable: true })
  return {
    apiKey: newApiKey('test', randomBytes(32)),
    keyId: `key_${randomUUID()}`,
    tenantId: `ten_${randomUUID()}`,
    pepper: newToken(),
    internalToken: newToken(),
    operatorToken: newToken(),
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
