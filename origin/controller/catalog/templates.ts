/** The built-in templates that a tenant may start here: what the machines offer at this moment, with what is known of each. Pure. */
import type { TemplateRecord } from '../../../shared/contracts/catalog.ts'
import { SIZES } from '../../../shared/machines.ts'
import type { Controller } from '../controller.ts'
import { isFor } from '../placement/ledger.ts'
import { DEFAULT_TEMPLATE, type Policy } from '../sandboxes/plan-sandbox.ts'
import { WORKDIR } from '../templates/template-settings.ts'

type Known = Pick<TemplateRecord, 'description' | 'runtimes' | 'categories'>

/** What we make ourselves. Of any other, only its name is known here. */
const BUILT_IN: ReadonlyMap<string, Known> = new Map(
  Object.entries({
    default: {
      description: 'Debian with Node, npm, Python 3, pip, git, curl and sudo.',
      runtimes: ['node', 'python', 'bash'],
      categories: ['general'],
    },
    node: {
      description: 'The default one, with npm warmed up.',
      runtimes: ['node', 'python', 'bash'],
      categories: ['web'],
    },
    'python-datasci': {
      description: 'The default one, with numpy, pandas, scipy and matplotlib.',
      runtimes: ['python', 'node', 'bash'],
      categories: ['data'],
    },
  }),
)
const UNKNOWN: Known = { description: '', runtimes: [], categories: [] }

type Here = Pick<Controller, 'ledger' | 'policy' | 'region'>

export function listBuiltIn({ ledger, policy, region }: Here, tenant: string, withAliases = false): TemplateRecord[] {
  const offers = ledger.offers()
  const recordOf = (id: string, name: string): TemplateRecord => toRecord(id, name, policy, region.code)
  const names = new Set(offers.filter((offer) => isFor(offer, tenant)).flatMap(({ capacity }) => capacity.templates))
  const aliases = [...policy.templateAliases].filter(([alias, name]) => names.has(name) && !names.has(alias))
  return [
    ...[...names].sort().map((name) => recordOf(name, name)),
    ...(withAliases ? aliases.map(([alias, name]) => recordOf(alias, name)) : []),
  ]
}

/** By name or alias; undefined when no machine offers it. */
export const findBuiltIn = (here: Here, tenant: string, id: string): TemplateRecord | undefined =>
  listBuiltIn(here, tenant, true).find((template) => template.id === id)

function toRecord(id: string, name: string, policy: Policy, region: string): TemplateRecord {
  const size = SIZES[policy.defaultSize]
  return {
    id,
    name: id,
    slug: id,
    image_id: name,
    default: id === DEFAULT_TEMPLATE,
    built_in: BUILT_IN.has(name),
    status: 'ready',
    version: null,
    version_tags: {},
    region,
    metadata: {},
    created_at: null,
    ...(BUILT_IN.get(name) ?? UNKNOWN),
    disk_mb: size.diskMib,
    workdir: WORKDIR,
    preview_port: null,
    install_command: null,
    start_command: null,
    readiness_probe: null,
    artifact_paths: [],
    tags: id === name ? [] : ['alias'],
    default_cpu: size.vcpus,
    default_memory_mb: size.memoryMib,
  }
}
