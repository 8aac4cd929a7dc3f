/** What the fields of egress may hold, wherever they are sent. */
import * as z from 'zod'
import { parseId } from '../ids.ts'
import { LIMITS } from '../limits.ts'
import { EGRESS_EFFECTS, egressHost, egressRule } from './host-egress.ts'
import { plainText } from './sandbox-fields.ts'

/** Written as people write names: in any case, with the dot at the end or without. */
export const hostSchema = z
  .string()
  .min(1)
  .max(LIMITS.hostNameCharsMax)
  .transform((host) => host.toLowerCase().replace(/\.$/, ''))
  .pipe(egressHost)
  .describe(
    'A host name or an address; `*.example.com` is every name below example.com, and not that one itself; `*` is every name.',
  )
export const secretHosts = z
  .array(hostSchema.refine((host) => host !== '*', { error: 'must name hosts: a secret is not for everybody' }))
  .max(LIMITS.egressSecretHostsMax)

export const effectSchema = z.enum(EGRESS_EFFECTS)
export const methodsSchema = z
  .array(
    z
      .string()
      .transform((method) => method.toUpperCase())
      .pipe(z.string().regex(/^[A-Z]{1,20}$/, { error: 'must be a method of HTTP' })),
  )
  .min(1)
  .max(LIMITS.egressMethodsMax)
export const pathGlobSchema = egressRule.shape.path_glob.unwrap()
export const portsSchema = egressRule.shape.ports.unwrap()

/** A sandbox, by id: what it is called may change hands. */
export const resourceFields = {
  resource_id: z
    .string()
    .max(LIMITS.nameCharsMax)
    .refine((id) => parseId(id, 'sbx') !== null, { error: 'is not the id of a sandbox' })
    .nullish()
    .describe('The only sandbox that it is for, by id. Default: all of the tenant.'),
  resource_type: z.literal('sandbox').nullish().describe('Always `sandbox`.'),
}
export const resourceQuery = {
  resource_id: z.string().max(LIMITS.nameCharsMax).optional().describe('Only those of this sandbox. Default: all.'),
  resource_type: z.string().max(LIMITS.nameCharsMax).optional().describe('Always `sandbox`.'),
}
export const resourceAnswer = {
  resource_id: z.string().nullable().describe('The only sandbox that it is for; null is all of the tenant.'),
  resource_type: z.literal('sandbox').nullable(),
}

export const labelSchema = plainText.min(1).max(LIMITS.nameCharsMax)

const hostList = z.array(hostSchema).max(LIMITS.egressWishRulesMax)
/** What a create asks for. */
export const egressWishSchema = z
  .union([
    z.boolean(),
    z.object({
      allow: hostList.optional().describe('Hosts that it may reach. Default: none.'),
      deny: hostList.optional().describe('Hosts that it may not reach. Default: none.'),
      default_effect: effectSchema
        .optional()
        .describe('What holds for every other host. Default: what holds for the tenant, or else for the installation.'),
    }),
  ])
  .describe(
    'Where it may go, beside what holds for all sandboxes of the tenant. False: nowhere, whatever holds for the others. True: to everything on the public internet that no rule denies. Whatever opens something needs the scope `egress:write`. Default: nothing of its own.',
  )
export type EgressWishBody = z.infer<typeof egressWishSchema>
