/**
 * What wrangler lets pass and a deployment would not survive: settings that are fine by themselves and wrong together. Pure; what the
 * code needs of its bindings is for the compiler to say (deploy-check.ts).
 */
export type Settings = {
  name?: string | undefined
  routes: readonly string[]
  crons: readonly string[]
  vars: Readonly<Record<string, unknown>>
  secrets: readonly string[]
  durableClasses: readonly string[]
  /** Classes that the migrations have made and not taken away again, in order. */
  migratedClasses: readonly string[]
  kvIds: readonly string[]
  rateNamespaces: readonly string[]
}

export const ENVIRONMENTS = ['staging', 'production'] as const
/** Set with `wrangler secret put`; whoever reads the file learns their names only. */
export const SECRETS = ['EDGE_SIGNING_KEY', 'KEY_PEPPER', 'INTERNAL_TOKEN'] as const
const EVERY_MINUTE = '* * * * *'
const SECRET_BY_NAME = /key|pepper|secret|token|password/i

type Rule = (settings: Settings) => string[]

/** Of one environment alone. */
const RULES: readonly Rule[] = [
  ({ routes }) => (routes.some((route) => /^api\.[^*]+\/\*$/.test(route)) ? [] : ['No route serves api.']),
  ({ routes, vars }) => {
    const wildcard = `*.${String(vars.PREVIEW_DOMAIN)}/*`
    return routes.includes(wildcard) ? [] : [`No route serves the previews: ${wildcard} is missing.`]
  },
  ({ crons }) =>
    crons.includes(EVERY_MINUTE) ? [] : [`No cron reads the capacity of the regions: ${EVERY_MINUTE} is missing.`],
  ({ secrets }) =>
    SECRETS.filter((name) => !secrets.includes(name)).map((name) => `The secret ${name} is not required.`),
  ({ vars }) =>
    Object.keys(vars)
      .filter((name) => SECRET_BY_NAME.test(name))
      .map((name) => `${name} stands in the file, where everybody can read it: make it a secret.`),
  ({ durableClasses, migratedClasses }) =>
    durableClasses
      .filter((name) => !migratedClasses.includes(name))
      .map((name) => `No migration makes the Durable Object class ${name}: add one with a tag of its own.`),
]

/** What must differ between environments, so that a test in one is nothing in the other. */
const OWN: readonly [what: string, of: (settings: Settings) => readonly string[]][] = [
  ['The name', ({ name }) => (name === undefined ? [] : [name])],
  ['The route', ({ routes }) => routes],
  ['The KV namespace', ({ kvIds }) => kvIds],
  ['The namespace of a rate limit', ({ rateNamespaces }) => rateNamespaces],
]

/** Every fault as a sentence that says where it is. Empty when all may be deployed. */
export function judgeDeployment(environments: ReadonlyMap<string, Settings>): string[] {
  const missing = ENVIRONMENTS.filter((name) => !environments.has(name)).map((name) => `${name}: is not in the file.`)
  const alone = [...environments].flatMap(([environment, settings]) =>
    RULES.flatMap((rule) => rule(settings)).map((fault) => `${environment}: ${fault}`),
  )
  return [...missing, ...alone, ...OWN.flatMap(([what, of]) => sharedWords(environments, what, of))]
}

/** What the file comes with, in place of a domain that somebody owns (RFC 2606 keeps the name free for this). */
const NOBODYS_DOMAIN = 'atoll.example'

/** What to do when nothing is wrong. The domain that the file comes with builds, and nobody can deploy to it. */
export function nextStep(environments: ReadonlyMap<string, Settings>): string {
  const unowned = [...environments]
    .filter(([, { routes }]) => routes.some((route) => route.includes(NOBODYS_DOMAIN)))
    .map(([environment]) => environment)
  return unowned.length === 0
    ? 'Everything may be deployed: npx wrangler deploy --env staging'
    : `Everything builds, but ${unowned.join(' and ')} cannot be deployed yet: put a domain of yours in place of ${NOBODYS_DOMAIN} in wrangler.toml (infra/runbook/edge.md).`
}

function sharedWords(
  environments: ReadonlyMap<string, Settings>,
  what: string,
  of: (settings: Settings) => readonly string[],
): string[] {
  const owners = new Map<string, string>()
  const faults: string[] = []
  for (const [environment, settings] of environments) {
    for (const word of of(settings)) {
      const other = owners.get(word)
      if (other !== undefined) faults.push(`${environment}: ${what} ${word} is also that of ${other}.`)
      owners.set(word, environment)
    }
  }
  return faults
}
