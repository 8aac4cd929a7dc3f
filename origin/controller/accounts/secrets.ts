/** What is derived from the one secret of the installation, the pepper: hashes of keys, the seal on kept answers, the word of tokens. */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto'
import { BROWSER_SECRET } from '../../../shared/browser-token.ts'
import { SHARE_SECRET } from '../../../shared/preview-words.ts'

export type AccountSecrets = {
  /** Hex HMAC-SHA256(pepper, key): all that is ever stored of a key. */
  hashKey(key: string): string
  /** AES-256-GCM, for answers that hold a secret and must be given again. */
  seal(text: string): string
  /** Throws when it was sealed under another pepper, or altered. */
  open(sealed: string): string
  browserSecret: Uint8Array
  shareSecret: Uint8Array
}

const SEAL_INFO = 'atoll sealed answers'
const SEAL_KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

export const hashKey = (pepper: string, key: string): string => createHmac('sha256', pepper).update(key).digest('hex')

export function createAccountSecrets(pepper: string): AccountSecrets {
  const derive = (info: string, bytes: number) => new Uint8Array(hkdfSync('sha256', pepper, '', info, bytes))
  const sealKey = derive(SEAL_INFO, SEAL_KEY_BYTES)
  return {
    hashKey: (key) => hashKey(pepper, key),
    seal(text) {
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv('aes-256-gcm', sealKey, nonce)
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64')
    },
    open(sealed) {
      const bytes = Buffer.from(sealed, 'base64')
      const decipher = createDecipheriv('aes-256-gcm', sealKey, bytes.subarray(0, NONCE_BYTES))
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES))
      return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]).toString(
        'utf8',
      )
    },
    browserSecret: derive(BROWSER_SECRET.info, BROWSER_SECRET.bytes),
    shareSecret: derive(SHARE_SECRET.info, SHARE_SECRET.bytes),
  }
}
