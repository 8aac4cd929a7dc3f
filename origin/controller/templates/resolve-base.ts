/** What a build begins with, as it is now: a built-in template and a machine, or a version of one of the tenant's with its own. */
import type { BuildSpec, BuildSpecIssue } from '../../../shared/contracts/build-spec.ts'
import { AppError } from '../../../shared/errors.ts'
import type { Machine } from '../../../shared/machines.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { planSandbox, type Source } from '../sandboxes/plan-sandbox.ts'
import { imagesOf } from './images-of.ts'
import { readVersion } from './template-source.ts'

/** `identity` also tells one making of a template from another one of the same name. */
export type Base = { name: string; identity: string; machine: Machine; source: Source | undefined }

/** What is wrong with the spec is said in its words. Throws what is no fault of the spec. */
export async function resolveBase(
  controller: Controller,
  principal: Principal,
  spec: BuildSpec,
): Promise<{ base: Base; errors: [] } | { base: undefined; errors: BuildSpecIssue[] }> {
  const { policy, ledger } = controller
  const { tenant, limits } = principal
  const asked = policy.templateAliases.get(spec.from) ?? spec.from
  const builtIn = ledger.templates(tenant)
  try {
    const source = builtIn.has(asked) ? undefined : await readVersion(controller, tenant, asked)
    if (source === undefined && !builtIn.has(asked))
      return { base: undefined, errors: [unknownFrom(spec.from, builtIn)] }
    const { template, machine } = planSandbox(
      { ...machineWish(spec), template_id: asked, timeout_sec: Math.min(limits.maxTimeoutSec, 1) },
      policy,
      limits,
      builtIn,
      source,
    )
    const identity = source === undefined ? `${template} ${imagesOf(controller, tenant, template)}` : source.id
    return { base: { name: template, identity, machine, source }, errors: [] }
  } catch (thrown) {
    return { base: undefined, errors: [issueOf(thrown)] }
  }
}

export const machineWish = ({ size, vcpu, memoryMib, diskMib }: BuildSpec) => ({
  size: size ?? undefined,
  cpu_count: vcpu ?? undefined,
  memory_mb: memoryMib ?? undefined,
  disk_size_mb: diskMib ?? undefined,
})

const FIELDS: Partial<Record<AppError['code'], string>> = {
  template_not_built: 'from',
  template_not_found: 'from',
  snapshot_lost: 'from',
  invalid_request: 'size',
  size_not_allowed: 'size',
}

/** Throws what is no fault of the spec. */
function issueOf(thrown: unknown): BuildSpecIssue {
  const field = thrown instanceof AppError ? FIELDS[thrown.code] : undefined
  if (!(thrown instanceof AppError) || field === undefined) throw thrown
  return { code: thrown.code, field, message: thrown.message }
}

const LIKE_AN_IMAGE = /[/:@]/

function unknownFrom(from: string, builtIn: ReadonlySet<string>): BuildSpecIssue {
  const choice = `Begin with ${[...builtIn].sort().join(', ') || 'a built-in template'}, or with a template of your own as name, name:version or name:tag`
  const message = LIKE_AN_IMAGE.test(from)
    ? `${JSON.stringify(from)} is no template here. If it is a container image: templates are not made of those. ${choice}, and install what is lacking in packages or steps.`
    : `There is no template named ${JSON.stringify(from)}. ${choice}.`
  return { code: 'template_not_found', field: 'from', message }
}
