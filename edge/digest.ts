/** Digests as lowercase hex, which is how keys, paths and bodies are named to a region. */

const encoder = new TextEncoder()

export const sha256Hex = async (data: string | Uint8Array): Promise<string> =>
  hex(await crypto.subtle.digest('SHA-256', typeof data === 'string' ? encoder.encode(data) : data))

export const hmacHex = async (key: CryptoKey, text: string): Promise<string> =>
  hex(await crypto.subtle.sign('HMAC', key, encoder.encode(text)))

/** Every byte's two digits, because a path and a body are hashed for every request. */
const DIGITS = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

const hex = (buffer: ArrayBuffer): string => {
  let digits = ''
  for (const byte of new Uint8Array(buffer)) digits += DIGITS[byte]
  return digits
}
