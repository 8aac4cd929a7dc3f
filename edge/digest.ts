/** Digests as lowercase hex, which is how keys, paths and bodies are named to a region. */

export const sha256Hex = async (data: string | Uint8Array): Promise<string> =>
  hex(await crypto.subtle.digest('SHA-256', typeof data === 'string' ? new TextEncoder().encode(data) : data))

export const hmacHex = async (key: CryptoKey, text: string): Promise<string> =>
  hex(await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(text)))

const hex = (buffer: ArrayBuffer): string =>
  Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, '0')).join('')
