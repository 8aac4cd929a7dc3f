/** What a create asks for, made whole: template, machine, timeouts. Pure; refusals are the caller's errors. */

import type { Tier } from '../../../shared/accounts.ts'
import { type CreateSandboxBody, UNSUPPORTED_FIELDS } from '../../../shared/contracts/sandbox-bodies.ts'
import type { EgressWish } from '../../../shared/egress-wish.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Machine, SIZES, type SizeName } from '../../../shared/machines.ts'
import type { WayOut } from '../egress/way-out.ts'
import { wishOf } from '../egress/wish.ts'

export type Policy = { defaultSize: SizeName; templateAliases: ReadonlyMap<string, string> }

export const DEFAULT_TEMPLATE = 'default'

export type SandboxPlan = {
  name: string | null
  slug: string | null
  template: string
  machine: Machine
  timeoutSec: number
  idleTimeoutSec: number
  alwaysOn: boolean
  persistent: boolean
  env: Record<string, string>
  metadata: Record<string, unknown>
  tags: string[]
  externalWorkspaceId: string | null
  externalUserId: string | null
  externalProjectId: string | null
  /** The id of one of the tenant's, or null for the default one. */
  workspace: string | null
  /** What it goes on from, and the only host that has it; null begins with the template. */
  source: { snapshot: string; host: string } | null
  /** What it has of its own of where it may go, and all that comes of it. */
  egress: EgressWish | null
  wayOut: WayOut
}

/** A snapshot that a sandbox is made of. */
export type Source = {
  id: string
  host: string
  template: string
  vcpus: number
  memoryMib: number
  diskMib: number
  env: Record<string, string>
  egress: EgressWish | null
  externalUser: string | null
}

/** `templates` are the names that the region's hosts can start; empty when no host has been heard of, and then nothing is refused for it. */
export function planSandbox(
  body: CreateSandboxBody,
  policy: Policy,
  limits: Tier,
  templates: ReadonlySet<string>,
  source?: Source,
): Omit<SandboxPlan, 'workspace' | 'wayOut'> {
  refuseUnsupported(body)
  const machine = source === undefined ? machineOf(body, policy.defaultSize) : machineOfSource(body, source)
  const timeoutSec = body.timeout_sec ?? Math.min(LIMITS.timeoutSecDefault, limits.maxTimeoutSec)
  requireAllowed(machine, body, limits)
  return {
    name: body.name ?? null,
    slug: body.slug ?? null,
    template: source?.template ?? templateOf(body, policy.templateAliases, templates),
    machine,
    timeoutSec,
    idleTimeoutSec: body.idle_timeout_sec ?? 0,
    alwaysOn: body.always_on ?? false,
    persistent: body.persistent ?? true,
    env: { ...source?.env, ...body.env },
    metadata: body.metadata ?? {},
    tags: body.tags ?? [],
    externalWorkspaceId: body.external_workspace_id ?? null,
    externalUserId: body.external_user_id ?? source?.externalUser ?? null,
    externalProjectId: body.external_project_id ?? null,
    egress: body.egress === undefined ? (source?.egress ?? null) : wishOf(body.egress),
    source: source === undefined ? null : { snapshot: source.id, host: source.host },
  }
}

/** What is empty asks for nothing. */
function refuseUnsupported(body: CreateSandboxBody): void {
  const asked = UNSUPPORTED_FIELDS.filter((field) => !isEmpty(body[field]))
  if (asked.length === 0) return
  throw new AppError('not_supported', `This server cannot do what these fields ask for: ${asked.join(', ')}.`, {
    details: { fields: asked },
  })
}

const isEmpty = (value: unknown): boolean =>
  value === undefined ||
  value === null ||
  value === '' ||
  value === false ||
  (typeof value === 'object' && Object.keys(value).length === 0)

/** A named size, or the default one; raw numbers stand in for its parts. */
function machineOf(body: CreateSandboxBody, defaultSize: SizeName): Machine {
  const size = SIZES[body.size ?? defaultSize]
  return {
    vcpus: body.cpu_count ?? size.vcpus,
    memoryMib: body.memory_mb ?? size.memoryMib,
    diskMib: body.disk_size_mb ?? body.disk_mb ?? size.diskMib,
  }
}

/** Clients in the field always name a template; whoever names a machine wants that one, which memory of another cannot become. */
function machineOfSource(body: CreateSandboxBody, { vcpus, memoryMib, diskMib }: Source): Machine {
  const size = body.size === undefined ? undefined : SIZES[body.size]
  const differs =
    (body.cpu_count ?? size?.vcpus ?? vcpus) !== vcpus ||
    (body.memory_mb ?? size?.memoryMib ?? memoryMib) !== memoryMib ||
    (body.disk_size_mb ?? body.disk_mb ?? size?.diskMib ?? diskMib) !== diskMib
  if (differs)
    throw new AppError(
      'invalid_request',
      'What goes on from a snapshot, or from a template of your own, has its machine.',
      {
        details: {
          size: [`must be left out, or say ${vcpus} CPUs, ${memoryMib} MiB of memory and ${diskMib} MiB of disk`],
        },
      },
    )
  return { vcpus, memoryMib, diskMib }
}

function requireAllowed(machine: Machine, body: CreateSandboxBody, limits: Tier): void {
  const most = SIZES[limits.maxSize]
  if (machine.vcpus > most.vcpus || machine.memoryMib > most.memoryMib || machine.diskMib > most.diskMib)
    throw new AppError('size_not_allowed', `This API key allows machines up to the size ${limits.maxSize}.`, {
      details: {
        max_size: limits.maxSize,
        cpu_count: most.vcpus,
        memory_mb: most.memoryMib,
        disk_size_mb: most.diskMib,
      },
    })
  requireTimesAllowed(body, limits)
}

type Times = { timeout_sec?: number | undefined; always_on?: boolean | undefined }

export function requireTimesAllowed(body: Times, limits: Tier): void {
  if ((body.timeout_sec ?? 0) > limits.maxTimeoutSec)
    throw new AppError('size_not_allowed', `This API key allows a timeout_sec of at most ${limits.maxTimeoutSec}.`, {
      details: { max_timeout_sec: limits.maxTimeoutSec },
    })
  if (body.always_on === true && limits.maxTimeoutSec < LIMITS.timeoutSecMax)
    throw new AppError('size_not_allowed', 'This API key does not allow always_on.', {
      details: { max_timeout_sec: limits.maxTimeoutSec },
    })
}

/** As the caller has said it, by whichever of its spellings. */
export const askedTemplate = (body: TemplateWish): string =>
  body.template_id ?? body.template ?? body.image_id ?? body.image ?? DEFAULT_TEMPLATE

type TemplateWish = Pick<CreateSandboxBody, 'template_id' | 'template' | 'image_id' | 'image'>

function templateOf(
  body: CreateSandboxBody,
  aliases: ReadonlyMap<string, string>,
  templates: ReadonlySet<string>,
): string {
  const asked = askedTemplate(body)
  const template = aliases.get(asked) ?? asked
  if (templates.size > 0 && !templates.has(template)) {
    const valid = [...templates, ...[...aliases].filter(([, to]) => templates.has(to)).map(([alias]) => alias)].sort()
    throw new AppError('template_not_found', `There is no template named ${JSON.stringify(asked)}.`, {
      details: { templates: valid },
    })
  }
  return template
}
