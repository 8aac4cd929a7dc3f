/** Builds and validates what would be deployed, for every environment, without a network and without an account. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const WRANGLER = fileURLToPath(new URL('../../node_modules/wrangler/bin/wrangler.js', import.meta.url))
const OFFLINE = { WRANGLER_SEND_METRICS: 'false', CLOUDFLARE_CF_FETCH_ENABLED: 'false', WRANGLER_HIDE_BANNER: 'true' }

for (const environment of ['staging', 'production']) {
  console.log(`\n${environment}`)
  const outDir = `.wrangler/dry-run/${environment}`
  const args = [WRANGLER, 'deploy', '--dry-run', '--env', environment, '--outdir', outDir]
  const { status } = spawnSync(process.execPath, args, {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...OFFLINE },
  })
  if (status !== 0) {
    console.error(`What would be deployed to ${environment} is not valid: see above.`)
    process.exitCode = 1
  }
}
