/**
 * Who this host is to controllers on other machines: a certificate that signs itself, and a secret they must say. Both are made once,
 * before anybody is asked, and survive every restart, so that a question whose answer was lost can be asked again.
 */
import { execFile } from 'node:child_process'
import { randomBytes, X509Certificate } from 'node:crypto'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { LIMITS } from '../../../shared/limits.ts'

export type Identity = {
  directory: string
  key: string
  certificate: string
  secret: string
  /** Lowercase hex SHA-256 of the certificate. */
  fingerprint: string
}

const SECRET_BYTES = 32
const YEARS_DAYS = '36500'
const FILES = { key: 'key.pem', certificate: 'certificate.pem', secret: 'secret' }

/** The caller holds the lock on `stateDir`. A half-made identity of a daemon that was killed is made anew: nobody has seen it. */
export async function keepIdentity(stateDir: string): Promise<Identity> {
  const directory = join(stateDir, 'identity')
  const found = await readIdentity(directory)
  if (found !== null) return found
  const draft = join(stateDir, 'identity.new')
  await rm(draft, { recursive: true, force: true })
  await mkdir(draft, { mode: 0o700 })
  await makeCertificate(draft)
  await writeFile(join(draft, FILES.secret), randomBytes(SECRET_BYTES).toString('base64url'), { mode: 0o600 })
  await rename(draft, directory)
  const made = await readIdentity(directory)
  if (made === null) throw new Error('The identity that was just made is not there.')
  return made
}

async function readIdentity(directory: string): Promise<Identity | null> {
  const read = (name: string): Promise<string> => readFile(join(directory, name), 'utf8')
  try {
    const [key, certificate, secret] = [await read(FILES.key), await read(FILES.certificate), await read(FILES.secret)]
    const fingerprint = new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase()
    return { directory, key, certificate, secret, fingerprint }
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

/** Node makes no certificates. Whoever knows this one by its fingerprint asks nothing else of it, so it says nothing and ends late. */
async function makeCertificate(directory: string): Promise<void> {
  const file = (name: string): string => join(directory, name)
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const said = ['-subj', '/CN=atoll-host', '-days', YEARS_DAYS]
  const into = ['-keyout', file(FILES.key), '-out', file(FILES.certificate)]
  await promisify(execFile)('openssl', ['req', '-x509', ...kind, ...said, ...into], { timeout: LIMITS.opensslMs })
}
