/** Judges a build spec by its form and by what there is for it to begin with. */
import type { BuildSpec, BuildSpecIssue } from '../../../shared/contracts/build-spec.ts'
import type { Principal } from '../accounts/principal.ts'
import type { Controller } from '../controller.ts'
import { judgeBuildSpec, refusedSpec, requireBuildSpec } from './check-build-spec.ts'
import { requireTemplateOwner } from './find-template.ts'
import { type Base, resolveBase } from './resolve-base.ts'

/** Throws invalid_buildspec. */
export async function requireBuildable(
  controller: Controller,
  principal: Principal,
  value: unknown,
): Promise<{ spec: BuildSpec; base: Base }> {
  const spec = requireBuildSpec(value)
  const { base, errors } = await resolveBase(controller, principal, spec)
  if (base === undefined) throw refusedSpec(errors)
  return { spec, base }
}

export type Verdict = { valid: boolean; build_spec: Record<string, unknown>; errors: BuildSpecIssue[] }

/** Throws owner_key_required: what may be begun with is the whole tenant's. */
export async function judgeWhole(controller: Controller, principal: Principal, value: unknown): Promise<Verdict> {
  requireTemplateOwner(principal)
  const { spec, errors } = judgeBuildSpec(value)
  if (spec === undefined) return { valid: false, build_spec: asSent(value), errors }
  const { errors: wrong } = await resolveBase(controller, principal, spec)
  return { valid: wrong.length === 0, build_spec: spec, errors: wrong }
}

const asSent = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : {}
