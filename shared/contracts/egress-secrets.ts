/**
 * Secrets that no sandbox ever has: it has a placeholder, and its host puts the value in the placeholder's place, in requests to the hosts that
 * the secret is for. A value is in no answer.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { pageQuery } from './accounts.ts'
import { labelSchema, resourceAnswer, resourceFields, secretHosts } from './egress-fields.ts'
import { egressSecretValue } from './host-egress.ts'
import { route } from './route.ts'
import { externalIdSchema, metadataSchema } from './sandbox-fields.ts'

const envName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, { error: 'must be the name of a variable' })
const value = egressSecretValue.describe(
  `The secret itself: visible ASCII, at most ${LIMITS.egressSecretCharsMax} characters.`,
)
const hosts = secretHosts.describe(
  'The hosts that it goes to, and no others. They must be allowed, too: a secret opens nothing.',
)
const exposeAsEnv = envName
  .nullish()
  .describe(
    'The variable in which processes find its placeholder: those that are started from now on, unless their sandbox has a variable of that name itself. Default: none.',
  )
const expiresAt = z.iso
  .datetime({ offset: true })
  .nullish()
  .describe('When its value is taken from it. Default: never.')
const ownerLabel = (what: string) => externalIdSchema.nullish().describe(`${what} Default: none.`)

const ownerFields = {
  workspace_id: labelSchema.nullish().describe('Only for sandboxes of this workspace, by id. Default: all.'),
  owner_user_id: ownerLabel('A label of yours, by which lists can be narrowed.'),
  external_user_id: ownerLabel('Only for sandboxes of this user of yours. Without it, only for those of no user.'),
  external_workspace_id: ownerLabel('Only for sandboxes with this `external_workspace_id`.'),
  ...resourceFields,
}

export const createSecretBody = z.object({
  name: labelSchema.describe('What you call it. The same name for the same owner again sets it anew.'),
  value,
  type: labelSchema.default('api_key').describe('A label of yours. Default: `api_key`.'),
  scope: labelSchema
    .default('user')
    .describe(
      '`tenant`: for the sandboxes of all your users, too. Anything else is a label of yours. Default: `user`.',
    ),
  hosts: hosts
    .optional()
    .describe(
      'The hosts that it goes to, and no others; also `metadata.hosts`. They must be allowed, too: a secret opens nothing. Default: those of a well-known service when `expose_as_env` is its variable, as `OPENAI_API_KEY`; else none, and then it goes nowhere.',
    ),
  expose_as_env: exposeAsEnv,
  ...ownerFields,
  refresh_token: z.unknown().optional().describe('Not supported here: anything but an empty value is refused.'),
  expires_at: expiresAt,
  metadata: metadataSchema.nullish().describe('Anything of yours. Default: none.'),
})
export type CreateSecretBody = z.infer<typeof createSecretBody>

export const updateSecretBody = z.object({
  value: value.optional(),
  hosts: hosts.optional(),
  expose_as_env: exposeAsEnv,
  refresh_token: z.unknown().optional().describe('Not supported here: anything but an empty value is refused.'),
  expires_at: expiresAt,
  metadata: metadataSchema.optional().describe('Anything of yours, in place of what there was.'),
})
export type UpdateSecretBody = z.infer<typeof updateSecretBody>

export const secretRecord = z.object({
  id: z.string(),
  name: z.string(),
  type: z.string(),
  scope: z.string(),
  hosts: z.array(z.string()).describe('The hosts that it goes to; none, and it goes nowhere.'),
  expose_as_env: z.string().nullable(),
  masked_value: z.string().describe('How its value begins and ends, to tell it from others.'),
  status: z.enum(['active', 'expired']),
  workspace_id: z.string().nullable(),
  owner_user_id: z.string().nullable(),
  external_user_id: z.string().nullable(),
  external_workspace_id: z.string().nullable(),
  ...resourceAnswer,
  metadata: z.record(z.string(), z.unknown()),
  expires_at: z.iso.datetime().nullable(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime().describe('When it was last set.'),
})
export type SecretRecord = z.infer<typeof secretRecord>

const filter = (what: string) =>
  z.string().max(LIMITS.nameCharsMax).optional().describe(`Only those ${what}. Default: all.`)
export const secretsQuery = pageQuery.extend({
  name: filter('of this name'),
  type: filter('of this type'),
  scope: filter('of this scope'),
  workspace_id: filter('of this workspace'),
  owner_user_id: filter('with this label'),
  external_user_id: filter('of this user'),
  external_workspace_id: filter('of this workspace of yours'),
  resource_id: filter('of this sandbox'),
  resource_type: z.string().max(LIMITS.nameCharsMax).optional().describe('Always `sandbox`.'),
})
export type SecretsQuery = z.infer<typeof secretsQuery>

export const createBindingBody = z.object({
  secret_id: labelSchema.describe('The secret, by id.'),
  resource_id: resourceFields.resource_id.unwrap().unwrap().describe('The sandbox that has it from now on, by id.'),
  resource_type: resourceFields.resource_type,
  expose_as_env: exposeAsEnv,
})
export type CreateBindingBody = z.infer<typeof createBindingBody>
export const bindingRecord = z.object({
  id: z.string(),
  secret_id: z.string(),
  resource_id: z.string(),
  resource_type: z.literal('sandbox'),
  expose_as_env: z.string().nullable(),
  created_at: z.iso.datetime(),
})
export type BindingRecord = z.infer<typeof bindingRecord>
export const bindingsQuery = pageQuery.extend({
  secret_id: filter('of this secret'),
  resource_id: filter('of this sandbox'),
  resource_type: z.string().max(LIMITS.nameCharsMax).optional().describe('Always `sandbox`.'),
})
export type BindingsQuery = z.infer<typeof bindingsQuery>

const oneSecret = z.object({ data: secretRecord })

export const EGRESS_SECRET_ROUTES = {
  listSecrets: route({
    method: 'GET',
    path: '/v1/egress/secrets',
    class: 'home',
    scope: 'egress:read',
    summary: 'List the secrets, newest first, without their values.',
    query: secretsQuery,
    status: 200,
    answer: z.object({ data: z.array(secretRecord), next_cursor: z.string().nullable() }),
  }),
  createSecret: route({
    method: 'POST',
    path: '/v1/egress/secrets',
    class: 'home',
    scope: 'egress:write',
    summary: 'Keep a secret outside of sandboxes. They have a placeholder, which its host replaces on the way out.',
    body: createSecretBody,
    status: 201,
    answer: oneSecret,
  }),
  getSecret: route({
    method: 'GET',
    path: '/v1/egress/secrets/:id',
    class: 'home',
    scope: 'egress:read',
    summary: 'Read a secret, without its value.',
    status: 200,
    answer: oneSecret,
  }),
  updateSecret: route({
    method: 'PATCH',
    path: '/v1/egress/secrets/:id',
    class: 'home',
    scope: 'egress:write',
    summary: 'Change a secret. With a new value what runs goes on with that one.',
    body: updateSecretBody,
    status: 200,
    answer: oneSecret,
  }),
  removeSecret: route({
    method: 'DELETE',
    path: '/v1/egress/secrets/:id',
    class: 'home',
    scope: 'egress:write',
    summary: 'Remove a secret. Its placeholder is worth nothing from then on.',
    status: 204,
  }),
  listBindings: route({
    method: 'GET',
    path: '/v1/egress/bindings',
    class: 'home',
    scope: 'egress:read',
    summary: 'List which sandboxes have which secrets, newest first.',
    query: bindingsQuery,
    status: 200,
    answer: z.object({ data: z.array(bindingRecord), next_cursor: z.string().nullable() }),
  }),
  createBinding: route({
    method: 'POST',
    path: '/v1/egress/bindings',
    class: 'home',
    scope: 'egress:write',
    summary: 'Give a secret to a sandbox.',
    body: createBindingBody,
    status: 201,
    answer: z.object({ data: bindingRecord }),
  }),
  removeBinding: route({
    method: 'DELETE',
    path: '/v1/egress/bindings/:id',
    class: 'home',
    scope: 'egress:write',
    summary: 'Take a secret from a sandbox.',
    status: 204,
  }),
  oauthProviders: route({
    method: 'GET',
    path: '/v1/egress/oauth/providers',
    class: 'home',
    scope: 'egress:read',
    summary: 'List the services that can be connected by OAuth. Here are none: keep their keys as secrets.',
    status: 200,
    answer: z.object({ data: z.array(z.never()) }),
  }),
  oauthStart: route({
    method: 'POST',
    path: '/v1/egress/oauth/start',
    class: 'home',
    scope: 'egress:write',
    summary: 'Connect a service by OAuth. Refused, because there are none.',
    body: z.object({ provider: z.string().max(LIMITS.nameCharsMax).optional().describe('A service.') }),
    status: 201,
    answer: z.object({ data: z.object({ authorize_url: z.string(), state: z.string() }) }),
  }),
  oauthStatus: route({
    method: 'GET',
    path: '/v1/egress/oauth/status',
    class: 'home',
    scope: 'egress:read',
    summary: 'How far a connection has come. There is none that was begun.',
    query: z.object({ state: z.string().max(LIMITS.filterCharsMax).optional().describe('What its start answered.') }),
    status: 200,
    answer: z.object({ data: z.object({ status: z.literal('failed'), error: z.string() }) }),
  }),
} as const
