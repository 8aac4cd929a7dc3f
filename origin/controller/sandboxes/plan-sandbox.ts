/** What a create asks for, made whole: template, machine, timeouts. Pure; refusals are the caller's errors. */

import type { Tier } from '../../../shared/accounts.ts'
import { type CreateSandboxBody, UNSUPPORTED_FIELDS } from '../../../shared/contracts/sandbox-bodies.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Machine, SIZES, type SizeName } from '../../../shared/machines.ts'

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
}

/** `templates` are the names that the region's hosts can start; empty when no host has been heard of, and then nothing is refused for it. */
export function planSandbox(
  body: CreateSandboxBody,
  policy: Policy,
  limits: Tier,
  templates: ReadonlySet<string>,
): Omit<SandboxPlan, 'workspace'> {
  refuseUnsupported(body)
  const machine = machineOf(body, policy.defaultSize)
  const timeoutSec = body.timeout_sec ?? Math.min(LIMITS.timeoutSecDefault, limits.maxTimeoutSec)
  requireAllowed(machine, body, limits)
  return {
    name: body.name ?? null,
    slug: body.slug ?? null,
    template: templateOf(body, policy.templateAliases, templates),
    machine,
    timeoutSec,
    idleTimeoutSec: body.idle_timeout_sec ?? 0,
    alwaysOn: body.always_on ?? false,
    persistent: body.persistent ?? true,
    env: body.env ?? {},
    metadata: body.metadata ?? {},
    tags: body.tags ?? [],
    externalWorkspaceId: body.external_workspace_id ?? null,
    externalUserId: body.external_user_id ?? null,
    externalProjectId: body.external_project_id ?? null,
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

function requireAllowed(machine: Machine, body: CreateSandboxBody, limits: Tier): void {
  const most = SIZES[limits.maxSize]
  if (machine.vcpus > most.vcpus || machine.memoryMib > most.memoryMib || machine.diskMib > most.diskMib)
    throw new AppError('size_not_allowed', `Your tier allows machines up to the size ${limits.maxSize}.`, {
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
    throw new AppError('size_not_allowed', `Your tier allows a timeout_sec of at most ${limits.maxTimeoutSec}.`, {
      details: { max_timeout_sec: limits.maxTimeoutSec },
    })
  if (body.always_on === true && limits.maxTimeoutSec < LIMITS.timeoutSecMax)
    throw new AppError('size_not_allowed', 'Your tier does not allow always_on.', {
      details: { max_timeout_sec: limits.maxTimeoutSec },
    })
}

function templateOf(
  body: CreateSandboxBody,
  aliases: ReadonlyMap<string, string>,
  templates: ReadonlySet<string>,
): string {
  const asked = body.template_id ?? body.template ?? body.image_id ?? body.image ?? DEFAULT_TEMPLATE
  const template = aliases.get(asked) ?? asked
  if (templates.size > 0 && !templates.has(template)) {
    const valid = [...templates, ...[...aliases].filter(([, to]) => templates.has(to)).map(([alias]) => alias)].sort()
    throw new AppError('template_not_found', `There is no template named ${JSON.stringify(asked)}.`, {
      details: { templates: valid },
    })
  }
  return template
}
