/**
 * `npm run regions`: reads and changes the registry of regions at an edge, which checks every change and refuses what would strand
 * somebody. Reads ATOLL_EDGE_URL and ATOLL_INTERNAL_TOKEN.
 */
import { writeFile } from 'node:fs/promises'
import * as z from 'zod'
import { internalTokensSchema } from '../../shared/internal-token.ts'
import {
  REGISTRY_PATH,
  type Region,
  type RegionRegistry,
  regionRegistrySchema,
  regionSchema,
} from '../../shared/regions.ts'
import { fail, parseOrFail, placeOf, readJsonOrFail, wordsOf } from './refuse-kindly.ts'

const HELP = `npm run regions                                   show the registry
npm run regions -- save FILE                      write it down, for the day when it is lost
npm run regions -- add FILE                       add the region that the file describes, in JSON
npm run regions -- set CODE FIELD=VALUE ...       change a region: status=draining weight=0.1 failover=eu1,usw1
npm run regions -- remove CODE                    take out a region that was down
npm run regions -- put FILE                       replace the whole registry, when it was lost`

const ANSWER_MS = 15_000
const LISTS: ReadonlySet<string> = new Set(['continents', 'failover'])
const settings = z.object({
  ATOLL_EDGE_URL: z.url({ error: 'must be the address of the edge, such as https://api.atoll.example' }),
  ATOLL_INTERNAL_TOKEN: internalTokensSchema,
})
const { ATOLL_EDGE_URL: edge, ATOLL_INTERNAL_TOKEN: token } = parseOrFail(
  settings,
  process.env,
  'These settings are missing or wrong; infra/runbook/regions.md says where they are, also those of the local stack:',
)

const refusalSchema = z.object({
  error: z.object({ message: z.string(), next: z.string(), details: z.unknown().optional() }),
})

const CHANGES: Record<string, (...words: string[]) => Promise<RegionRegistry>> = {
  async add(file = '') {
    const region = parseOrFail(regionSchema, await readJson(file), `${file} describes no region:`)
    const registry = await fetchRegistry()
    return next(registry, [...registry.regions, region])
  },
  async set(code = '', ...changes) {
    if (changes.length === 0) fail(HELP)
    const registry = await fetchRegistry()
    const changed = Object.fromEntries(changes.map((change) => parseChange(change)))
    return next(registry, replaceOne(registry, code, changed))
  },
  async remove(code = '') {
    const registry = await fetchRegistry()
    replaceOne(registry, code, {})
    const others = registry.regions.filter((region) => region.code !== code)
    const without = others.map((region) => ({ ...region, failover: region.failover.filter((named) => named !== code) }))
    return next(registry, without)
  },
  put: async (file = '') => parseOrFail(regionRegistrySchema, await readJson(file), `${file} is no registry:`),
}

const [verb, ...words] = process.argv.slice(2)
if (verb === undefined) print(await fetchRegistry())
else if (verb === 'save') await save(words[0] ?? fail(HELP))
else print(await ask('PUT', await changeBy(verb)(...words)))

async function save(file: string): Promise<void> {
  const text = JSON.stringify(await fetchRegistry(), null, 2)
  await writeFile(placeOf(file), text).catch((thrown: unknown) => fail(`${file} was not written: ${wordsOf(thrown)}`))
}

function changeBy(named: string): (...words: string[]) => Promise<RegionRegistry> {
  const change = Object.hasOwn(CHANGES, named) ? CHANGES[named] : undefined
  return change ?? fail(HELP)
}

function replaceOne({ regions }: RegionRegistry, code: string, changes: object): RegionRegistry['regions'] {
  if (!regions.some((region) => region.code === code)) fail(`There is no region ${code}.`)
  const change = (region: Region): Region =>
    parseOrFail(regionSchema, { ...region, ...changes }, `The region ${code} cannot be this:`)
  return regions.map((region) => (region.code === code ? change(region) : region))
}

function next(registry: RegionRegistry, regions: RegionRegistry['regions']): RegionRegistry {
  return { ...registry, version: registry.version + 1, regions }
}

/** `weight=0.1` is a number, `status=down` a word, `failover=eu1,usw1` a list. */
function parseChange(change: string): [field: string, value: unknown] {
  const [field = '', ...rest] = change.split('=')
  const text = rest.join('=')
  if (!Object.hasOwn(regionSchema.shape, field) || field === 'code')
    fail(`${field} is nothing that can be set.\n${HELP}`)
  if (LISTS.has(field)) return [field, text.split(',').filter((word) => word !== '')]
  return [field, text !== '' && Number.isFinite(Number(text)) ? Number(text) : text]
}

async function readJson(file: string): Promise<unknown> {
  return readJsonOrFail(file === '' ? fail(HELP) : file)
}

function fetchRegistry(): Promise<RegionRegistry> {
  return ask('GET')
}

async function ask(method: 'GET' | 'PUT', registry?: RegionRegistry): Promise<RegionRegistry> {
  const response = await fetch(new URL(REGISTRY_PATH, edge), {
    method,
    headers: { authorization: `Bearer ${token.sent}` },
    ...(registry === undefined ? {} : { body: JSON.stringify(registry) }),
    signal: AbortSignal.timeout(ANSWER_MS),
  }).catch((thrown: unknown) => fail(`Nothing answers at ${edge} (ATOLL_EDGE_URL): ${wordsOf(thrown)}`))
  const answer: unknown = await response.json().catch(() => null)
  if (!response.ok) fail(`The edge refused (${response.status}). ${refusalOf(answer)}`)
  return parseOrFail(regionRegistrySchema, answer, `${edge} (ATOLL_EDGE_URL) answers, but not as an edge:`)
}

function refusalOf(answer: unknown): string {
  const read = refusalSchema.safeParse(answer)
  if (!read.success) return 'Is ATOLL_EDGE_URL that of an edge?'
  const { message, next, details } = read.data.error
  return `${message} ${next}${details === undefined ? '' : `\n${JSON.stringify(details, null, 2)}`}`
}

function print({ version, default: home, regions }: RegionRegistry): void {
  console.log(`version ${version}, home ${home}`)
  console.table(regions.map(({ code, name, status, weight, url }) => ({ code, name, status, weight, url })))
}
