/**
 * The public API of accounts: keys, workspaces, the limits of a tenant's own users, and words for browsers.
 * Names and quirks are a wire contract that clients in the field already speak.
 */
import * as z from 'zod'
import { parseId } from '../ids.ts'
import { LIMITS } from '../limits.ts'
import {
  createKeyBody,
  createScopedKeyBody,
  keyRecordAnswer,
  limitsBody,
  newKeyAnswer,
  rotateKeyBody,
  scopesSchema,
} from './api-keys.ts'
import { route } from './route.ts'
import { externalIdSchema, plainText, slugSchema } from './sandbox-fields.ts'

export const nonEmptyLabel = plainText.min(1).max(LIMITS.nameCharsMax)
const oneKey = z.object({ data: keyRecordAnswer })

export const pageQuery = z.object({
  limit: z.coerce
    .number()
    .int()
    .min(1)
    .max(LIMITS.listRowsMax)
    .default(LIMITS.listRowsMax)
    .describe(`How many rows at most. Default: ${LIMITS.listRowsMax}.`),
  cursor: z.string().min(1).max(LIMITS.nameCharsMax).optional().describe('What `next_cursor` of the page before said.'),
})

const workspaceName = nonEmptyLabel.describe('What you call it.')

export const workspaceAnswer = z.object({
  id: z.string(),
  slug: z.string().describe('Its own for good.'),
  name: z.string(),
  created_at: z.string(),
})
const oneWorkspace = z.object({ data: workspaceAnswer })

const externalLimitAnswer = z.object({
  data: z.object({
    external_user_id: z.string(),
    concurrency: z
      .int()
      .nullable()
      .describe('How many sandboxes this user may have at a time in each region; null is unbounded.'),
  }),
})

const sandboxIdSchema = z.string().refine((id) => parseId(id, 'sbx') !== null, { error: 'is not the id of a sandbox' })
export const createTokenBody = z.object({
  scopes: scopesSchema.describe('What the token may do; no more than the key that makes it may.'),
  sandbox_id: sandboxIdSchema.optional().describe('The only sandbox that it may name. Default: all that the key may.'),
  external_user_id: externalIdSchema
    .optional()
    .describe('Your own user, whose sandboxes are all that it sees. Default: all that the key sees.'),
  ttl_sec: z
    .int()
    .min(1)
    .max(LIMITS.browserTokenSecMax)
    .default(LIMITS.browserTokenSecDefault)
    .describe(`Seconds that it is good for. Default: ${LIMITS.browserTokenSecDefault}.`),
})
export const createTicketBody = z.object({
  sandbox_id: sandboxIdSchema
    .optional()
    .describe('The only sandbox whose streams it opens. Default: all that the caller may follow.'),
})
const ticketFields = {
  ticket: z.string().describe('What `?ticket=` carries, once.'),
  expires_in: z.int().describe('Seconds that it is good for.'),
}
const ticketAnswer = z.object({ ...ticketFields, data: z.object(ticketFields) })

const ticketRoute = <const Path extends string>(path: Path) =>
  route({
    method: 'POST',
    path,
    class: 'change',
    scope: null,
    summary:
      'A ticket that opens one stream, appended to its URL as ?ticket=, for browsers that can send no header there.',
    body: createTicketBody,
    status: 200,
    answer: ticketAnswer,
  })

export const ACCOUNT_ROUTES = {
  createKey: route({
    method: 'POST',
    path: '/v1/api-keys',
    class: 'home',
    scope: 'keys:write',
    once: true,
    summary: 'Make an API key. Its secret is in this answer and nowhere else.',
    body: createKeyBody,
    status: 201,
    answer: newKeyAnswer,
  }),
  createScopedKey: route({
    method: 'POST',
    path: '/v1/api-keys/scoped',
    class: 'home',
    scope: 'keys:write',
    once: true,
    summary: "Make an API key for one of the tenant's own users, which sees and makes only what is theirs.",
    body: createScopedKeyBody,
    status: 201,
    answer: newKeyAnswer,
  }),
  listKeys: route({
    method: 'GET',
    path: '/v1/api-keys',
    class: 'home',
    scope: 'keys:read',
    summary: 'List API keys, newest first, revoked ones too.',
    query: pageQuery,
    status: 200,
    answer: z.object({ data: z.array(keyRecordAnswer), next_cursor: z.string().nullable() }),
  }),
  getKey: route({
    method: 'GET',
    path: '/v1/api-keys/:id',
    class: 'home',
    scope: 'keys:read',
    summary: 'Read one API key, without its secret.',
    status: 200,
    answer: oneKey,
  }),
  rotateKey: route({
    method: 'POST',
    path: '/v1/api-keys/:id/rotate',
    class: 'home',
    scope: 'keys:write',
    once: true,
    summary: 'Give an API key a new secret; the old one may go on for a while.',
    body: rotateKeyBody,
    status: 200,
    answer: newKeyAnswer,
  }),
  revokeKey: route({
    method: 'DELETE',
    path: '/v1/api-keys/:id',
    class: 'home',
    scope: 'keys:write',
    summary: 'Revoke an API key for good. It stays listed.',
    status: 204,
  }),
  listWorkspaces: route({
    method: 'GET',
    path: '/v1/workspaces',
    class: 'home',
    scope: 'keys:read',
    summary: 'List workspaces, newest first.',
    query: pageQuery,
    status: 200,
    answer: z.object({ data: z.array(workspaceAnswer), next_cursor: z.string().nullable() }),
  }),
  createWorkspace: route({
    method: 'POST',
    path: '/v1/workspaces',
    class: 'home',
    scope: 'keys:write',
    once: true,
    summary: 'Make a workspace: what sandboxes are grouped by, in lists and on bills. Its slug stays its own for good.',
    body: z.object({
      name: workspaceName,
      slug: slugSchema
        .optional()
        .describe('What paths may name it by, beside its id; its own for good. Default: made of the name.'),
    }),
    status: 201,
    answer: oneWorkspace,
  }),
  getWorkspace: route({
    method: 'GET',
    path: '/v1/workspaces/:id',
    class: 'home',
    scope: 'keys:read',
    summary: 'Read one workspace, by id or slug.',
    status: 200,
    answer: oneWorkspace,
  }),
  updateWorkspace: route({
    method: 'PATCH',
    path: '/v1/workspaces/:id',
    class: 'home',
    scope: 'keys:write',
    summary: 'Give a workspace another name.',
    body: z.object({ name: workspaceName }),
    status: 200,
    answer: oneWorkspace,
  }),
  deleteWorkspace: route({
    method: 'DELETE',
    path: '/v1/workspaces/:id',
    class: 'home',
    scope: 'keys:write',
    summary: 'Delete a workspace. Its sandboxes live on without it; made again under its slug, it is the same one.',
    status: 204,
  }),
  getExternalLimit: route({
    method: 'GET',
    path: '/v1/quotas/external/:user',
    class: 'home',
    scope: 'keys:read',
    summary: "Read how many sandboxes one of the tenant's own users may have at a time in each region.",
    status: 200,
    answer: externalLimitAnswer,
  }),
  putExternalLimit: route({
    method: 'PUT',
    path: '/v1/quotas/external/:user',
    class: 'home',
    scope: 'keys:write',
    summary: "Bound how many sandboxes one of the tenant's own users may have at a time in each region.",
    body: z.object({
      concurrency: z
        .int()
        .min(0)
        .max(LIMITS.externalConcurrencyMax)
        .describe('How many sandboxes this user may have at a time in each region; 0 is none.'),
    }),
    status: 200,
    answer: externalLimitAnswer,
  }),
  deleteExternalLimit: route({
    method: 'DELETE',
    path: '/v1/quotas/external/:user',
    class: 'home',
    scope: 'keys:write',
    summary: 'Lift that bound.',
    status: 204,
  }),
  plan: route({
    method: 'GET',
    path: '/v1/tenant/plan',
    class: 'home',
    scope: null,
    summary: 'The tier of this tenant and what it allows with this key.',
    status: 200,
    answer: z.object({
      data: z.object({
        tenant_id: z.string(),
        name: z.string(),
        plan: z.string(),
        tier: z.string(),
        status: z.string(),
        limits: z.object({ ...limitsBody.required().shape }),
      }),
    }),
  }),
  createToken: route({
    method: 'POST',
    path: '/v1/tokens',
    class: 'change',
    scope: null,
    summary: 'A short-lived token for a browser, with no more than these scopes. It ends with the key that made it.',
    body: createTokenBody,
    status: 201,
    answer: z.object({
      data: z.object({
        token: z.string(),
        expires_in: z.int(),
        expires_at: z.string(),
        scopes: z.array(z.string()),
        sandbox_id: z.string().nullable(),
        external_user_id: z.string().nullable(),
      }),
    }),
  }),
  createTicket: ticketRoute('/v1/auth/sse-ticket'),
  createTicketOfCli: ticketRoute('/v1/sse/ticket'),
} as const
