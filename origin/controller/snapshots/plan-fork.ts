/** What a fork asks for, made whole. Pure but for the ids; refusals are the caller's errors. */
import type { Tier } from '../../../shared/accounts.ts'
import type { BranchBody } from '../../../shared/contracts/snapshots.ts'
import { AppError } from '../../../shared/errors.ts'
import { LIMITS } from '../../../shared/limits.ts'
import { type Policy, requireTimesAllowed } from '../sandboxes/plan-sandbox.ts'
import { nameOfTemplate } from '../templates/template-reference.ts'

/** What is null is as it is with the parent. */
export type ForkPlan = {
  /** Their ids. The first one names the fork. */
  children: string[]
  timeoutSec: number | null
  name: string | null
  metadata: Record<string, unknown>
  externalUserId: string | null
}
type Parent = { template: string; metadata: Record<string, unknown> }

export function planFork(
  body: BranchBody,
  parent: Parent,
  { policy, limits, subject, children }: { policy: Policy; limits: Tier; subject: string | null; children: string[] },
): ForkPlan {
  requireTemplateOf(parent, body, policy)
  requireTimesAllowed(body, limits)
  const metadata = body.metadata ?? {}
  if (Buffer.byteLength(JSON.stringify({ ...parent.metadata, ...metadata })) > LIMITS.metadataBytesMax)
    throw new AppError('invalid_request', 'With that of the parent the metadata is too long.', {
      details: { metadata: [`must be at most ${LIMITS.metadataBytesMax} bytes together with that of the parent`] },
    })
  return {
    children,
    timeoutSec: body.timeout_sec ?? null,
    name: body.name ?? null,
    metadata,
    externalUserId: subject,
  }
}

/** Throws invalid_request for another one: a child goes on from where its parent is. */
export function requireTemplateOf(
  { template }: Pick<Parent, 'template'>,
  { template_id: asked }: Pick<BranchBody, 'template_id'>,
  { templateAliases }: Policy,
): void {
  const named = asked === undefined ? template : (templateAliases.get(asked) ?? asked)
  if (named === template || named === nameOfTemplate(template)) return
  throw new AppError('invalid_request', 'A child has the template of what it goes on from.', {
    details: { template_id: [`must be left out, or ${template}`] },
  })
}
