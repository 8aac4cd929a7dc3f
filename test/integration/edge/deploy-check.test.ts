/** `npm run deploy:check`, offline: what may be deployed passes, and what a deployment would fail on fails here. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const CHECK = join(ROOT, 'infra/edge/deploy-check.ts')

async function check(...args: string[]): Promise<{ status: number | null; output: string }> {
  // Nothing of an account may be used, even where somebody is logged in.
  const { CLOUDFLARE_API_TOKEN: _, CLOUDFLARE_ACCOUNT_ID: __, ...env } = process.env
  const child = spawn(process.execPath, [CHECK, ...args], { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] })
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { status, output: out + err }
}

test('both environments build and are valid', async () => {
  const { status, output } = await check()
  assert.equal(status, 0, output)
  assert.match(output, /staging: Total Upload/)
  assert.match(output, /production: Total Upload/)
  // What builds with the domain that the file comes with is not ready for anybody.
  assert.match(output, /put a domain of yours in place of atoll\.example/)
  assert.doesNotMatch(output, /Everything may be deployed/)
})

test('a binding that the code uses and the file lacks, and a class that the Worker does not export, are named', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'atoll-deploy-'))
  t.after(() => rm(folder, { recursive: true }))
  const good = (await readFile(join(ROOT, 'wrangler.toml'), 'utf8')).replace('edge/main.ts', join(ROOT, 'edge/main.ts'))
  const file = join(folder, 'wrangler.toml')
  const broken = good
    .replaceAll('{ binding = "KEYS" }, ', '')
    .replaceAll('"TenantQuota"', '"NobodysClass"')
    .replace(/migrations = .*/, '')
  await writeFile(file, broken)
  const { status, output } = await check('--config', file)
  assert.equal(status, 1)
  for (const fault of [
    /KEYS/,
    /not exported in your entrypoint file: NobodysClass/,
    /production: No migration makes the Durable Object class NobodysClass/,
  ])
    assert.match(output, fault)
})
