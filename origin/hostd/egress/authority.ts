/**
 * The authority under which this host looks into TLS where a policy wants it to: made once per host, trusted by nobody but its own
 * sandboxes, and its key never leaves the state directory. Certificates for names are made when they are needed, and kept in memory.
 */
import { createPrivateKey, randomBytes, type webcrypto } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createSecureContext, type SecureContext } from 'node:tls'
import * as z from 'zod'
import { LIMITS } from '../../../shared/limits.ts'
import { familyOf } from '../../../shared/public-address.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const NAME = 'CN=Atoll egress authority of this host'
/** RFC 5280, upper bound of a common name. */
const COMMON_NAME_CHARS_MAX = 64
/** Clocks of guests may be a little behind. */
const BACKDATED_MS = 24 * 3_600_000
const RENEWED_MS = 24 * 3_600_000

const kept = z.object({ certificate: z.string(), key: z.string() })
type Kept = z.infer<typeof kept>
type Leaf = { context: Promise<SecureContext>; untilMs: number }
type KeyPair = { pem: string; publicKey: webcrypto.CryptoKey }

/** Loaded when it is needed: most hosts never look into anything. It wants the one before it. */
async function loadX509() {
  await import('reflect-metadata')
  return import('@peculiar/x509')
}

export class Authority {
  /** What sandboxes trust. */
  readonly pem: string
  readonly #key: string
  readonly #leaves = new Map<string, Leaf>()
  #leafKeys: Promise<KeyPair> | null = null

  private constructor({ certificate, key }: Kept) {
    this.pem = certificate
    this.#key = key
  }

  /** That of the directory, made now if there is none. */
  static async open(directory: string): Promise<Authority> {
    const path = join(directory, 'authority.json')
    try {
      return new Authority(kept.parse(JSON.parse(await readFile(path, 'utf8'))))
    } catch {
      // Absent, or cut short by a power failure.
      const made = await makeAuthority()
      await writeFile(`${path}.new`, JSON.stringify(made), { mode: 0o600 })
      await rename(`${path}.new`, path)
      return new Authority(made)
    }
  }

  /** What a server for this name shows. */
  contextOf(host: string, nowMs: number): Promise<SecureContext> {
    const known = this.#leaves.get(host)
    this.#leaves.delete(host)
    const leaf = known !== undefined && known.untilMs > nowMs ? known : this.#begin(host, nowMs)
    this.#leaves.set(host, leaf)
    for (const oldest of this.#leaves.keys()) {
      if (this.#leaves.size <= LIMITS.egressLeavesMax) break
      this.#leaves.delete(oldest)
    }
    return leaf.context
  }

  #begin(host: string, nowMs: number): Leaf {
    const context = this.#sign(host, nowMs)
    context.catch(() => this.#leaves.delete(host))
    return { context, untilMs: nowMs + LIMITS.egressLeafMs - RENEWED_MS }
  }

  async #sign(host: string, nowMs: number): Promise<SecureContext> {
    const x509 = await loadX509()
    this.#leafKeys ??= makeKeys().then(async ({ privateKey, publicKey }) => ({
      pem: await pemOf(privateKey),
      publicKey,
    }))
    const [{ pem, publicKey }, signingKey] = await Promise.all([this.#leafKeys, importKey(this.#key)])
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serial(),
      subject: host.length <= COMMON_NAME_CHARS_MAX ? [{ CN: [host] }] : '',
      issuer: NAME,
      notBefore: new Date(nowMs - BACKDATED_MS),
      notAfter: new Date(nowMs + LIMITS.egressLeafMs),
      publicKey,
      signingKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          [{ type: familyOf(host) === 0 ? 'dns' : 'ip', value: host }],
          host.length > COMMON_NAME_CHARS_MAX,
        ),
        await x509.AuthorityKeyIdentifierExtension.create(new x509.X509Certificate(this.pem)),
      ],
    })
    return createSecureContext({ cert: `${certificate.toString('pem')}\n${this.pem}`, key: pem })
  }
}

async function makeAuthority(): Promise<Kept> {
  const x509 = await loadX509()
  const keys = await makeKeys()
  const nowMs = Date.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: NAME,
    notBefore: new Date(nowMs - BACKDATED_MS),
    notAfter: new Date(nowMs + LIMITS.egressAuthorityMs),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  return { certificate: `${certificate.toString('pem')}\n`, key: await pemOf(keys.privateKey) }
}

const makeKeys = (): Promise<webcrypto.CryptoKeyPair> => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])

async function pemOf(key: webcrypto.CryptoKey): Promise<string> {
  const body = Buffer.from(await crypto.subtle.exportKey('pkcs8', key))
  return createPrivateKey({ key: body, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString()
}

function importKey(pem: string): Promise<webcrypto.CryptoKey> {
  const body = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' })
  return crypto.subtle.importKey('pkcs8', body, ALGORITHM, false, ['sign'])
}

/** Positive, and never the same twice. */
const serial = (): string => `01${randomBytes(15).toString('hex')}`
