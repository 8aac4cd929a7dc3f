/**
 * Where sandboxes may go: policies, and rules beside or inside of them. What is said of one sandbox goes before what is said of all; of the
 * rules that fit, the one that says most decides, and of two that say as much the one that denies.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { pageQuery } from './accounts.ts'
import {
  effectSchema,
  hostSchema,
  labelSchema,
  methodsSchema,
  pathGlobSchema,
  portsSchema,
  resourceAnswer,
  resourceFields,
  resourceQuery,
} from './egress-fields.ts'
import { EGRESS_MODES } from './host-egress.ts'
import { route } from './route.ts'
import { plainText } from './sandbox-fields.ts'

const mode = z
  .enum(EGRESS_MODES)
  .describe(
    '`enforce` refuses what is denied; `audit_only` lets it pass, and writes down what would have been refused.',
  )
const defaultEffect = effectSchema.describe('What holds for a host that no rule fits.')
const name = labelSchema.describe('What you call it.')

export const createPolicyBody = z.object({
  name: name.optional(),
  mode: mode.optional().describe('`enforce`, or `audit_only`, which refuses nothing. Default: `enforce`.'),
  default_effect: defaultEffect.optional().describe('What holds for a host that no rule fits. Default: `deny`.'),
  ...resourceFields,
})
export type CreatePolicyBody = z.infer<typeof createPolicyBody>
export const updatePolicyBody = z.object({
  name: name.optional(),
  mode: mode.optional(),
  default_effect: defaultEffect.optional(),
})
export type UpdatePolicyBody = z.infer<typeof updatePolicyBody>
/** Without an id: the policy of a sandbox, or of all, whichever one it is. */
export const updateOnePolicyBody = updatePolicyBody.extend(resourceFields)
export type UpdateOnePolicyBody = z.infer<typeof updateOnePolicyBody>

export const policyRecord = z.object({
  id: z.string(),
  name: z.string(),
  mode,
  default_effect: defaultEffect,
  ...resourceAnswer,
  created_at: z.iso.datetime(),
})
export type PolicyRecord = z.infer<typeof policyRecord>

export const createRuleBody = z.object({
  host: hostSchema,
  effect: effectSchema.describe('What becomes of a request that fits.'),
  methods: methodsSchema.nullish().describe('Only requests with one of these methods. Default: all.'),
  path_glob: pathGlobSchema
    .nullish()
    .describe('Only requests whose path fits: `*` is anything but a slash, `**` is anything. Default: all.'),
  ports: portsSchema.nullish().describe('Only these ports. Default: 80 and 443.'),
  policy_id: labelSchema.nullish().describe('The policy that it is a part of, and ends with. Default: none.'),
  note: plainText.max(LIMITS.egressNoteCharsMax).nullish().describe('Words of yours. Default: none.'),
  ...resourceFields,
})
export type CreateRuleBody = z.infer<typeof createRuleBody>

export const ruleRecord = z.object({
  id: z.string(),
  host: z.string(),
  effect: effectSchema,
  methods: z.array(z.string()).nullable().describe('Only requests with one of these methods; null is all.'),
  path_glob: z.string().nullable().describe('Only requests whose path fits; null is all.'),
  ports: z.array(z.int()).nullable().describe('Only these ports; null is 80 and 443.'),
  policy_id: z.string().nullable().describe('The policy that it is a part of, or null.'),
  note: z.string().nullable(),
  ...resourceAnswer,
  created_at: z.iso.datetime(),
})
export type RuleRecord = z.infer<typeof ruleRecord>

const listQuery = pageQuery.extend(resourceQuery)
export type EgressListQuery = z.infer<typeof listQuery>
const rulesQuery = listQuery.extend({
  policy_id: z.string().max(LIMITS.nameCharsMax).optional().describe('Only those of this policy. Default: all.'),
})
export type RulesQuery = z.infer<typeof rulesQuery>
const onePolicy = z.object({ data: policyRecord })

export const EGRESS_ROUTES = {
  listPolicies: route({
    method: 'GET',
    path: '/v1/egress/policies',
    class: 'home',
    scope: 'egress:read',
    summary: 'List the policies, newest first.',
    query: listQuery,
    status: 200,
    answer: z.object({ data: z.array(policyRecord), next_cursor: z.string().nullable() }),
  }),
  createPolicy: route({
    method: 'POST',
    path: '/v1/egress/policies',
    class: 'home',
    scope: 'egress:write',
    summary: 'Say what holds for a sandbox, or for all. Of several policies for the same, the stricter one counts.',
    body: createPolicyBody,
    status: 201,
    answer: onePolicy,
  }),
  updateOnePolicy: route({
    method: 'PATCH',
    path: '/v1/egress/policies',
    class: 'home',
    scope: 'egress:write',
    summary:
      'Change every policy of a sandbox, or of all; where there is none, it is made. What runs goes by it at once.',
    body: updateOnePolicyBody,
    status: 200,
    answer: onePolicy,
  }),
  updatePolicy: route({
    method: 'PATCH',
    path: '/v1/egress/policies/:id',
    class: 'home',
    scope: 'egress:write',
    summary: 'Change a policy. What runs goes by it at once.',
    body: updatePolicyBody,
    status: 200,
    answer: onePolicy,
  }),
  removePolicy: route({
    method: 'DELETE',
    path: '/v1/egress/policies/:id',
    class: 'home',
    scope: 'egress:write',
    summary: 'Remove a policy, and the rules that are a part of it.',
    status: 204,
  }),
  listRules: route({
    method: 'GET',
    path: '/v1/egress/allowlist',
    class: 'home',
    scope: 'egress:read',
    summary: 'List the rules, newest first.',
    query: rulesQuery,
    status: 200,
    answer: z.object({ data: z.array(ruleRecord), next_cursor: z.string().nullable() }),
  }),
  createRule: route({
    method: 'POST',
    path: '/v1/egress/allowlist',
    class: 'home',
    scope: 'egress:write',
    summary: 'Allow or deny a host, to a sandbox or to all. What runs goes by it at once.',
    body: createRuleBody,
    status: 201,
    answer: z.object({ data: ruleRecord }),
  }),
  removeRule: route({
    method: 'DELETE',
    path: '/v1/egress/allowlist/:id',
    class: 'home',
    scope: 'egress:write',
    summary: 'Remove a rule.',
    status: 204,
  }),
} as const
