/** What the people who run the installation may ask, with the operator's token. No tenant sees these. */
import * as z from 'zod'
import { tierSchema } from '../accounts.ts'
import { nonEmptyLabel, pageQuery } from './accounts.ts'
import { createKeyBody, newKeyAnswer } from './api-keys.ts'
import { route } from './route.ts'

export const tierNameSchema = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/)
const tenantIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/)
const tenantAnswer = z.object({
  id: z.string(),
  name: z.string(),
  tier: z.string(),
  status: z.enum(['active', 'suspended']),
  created_at: z.string(),
})

export const OPERATOR_ROUTES = {
  createTenant: route({
    method: 'POST',
    path: '/v1/admin/tenants',
    class: 'home',
    scope: null,
    summary: 'Make a tenant.',
    body: z.object({ id: tenantIdSchema.optional(), name: nonEmptyLabel, tier: tierNameSchema }),
    status: 201,
    answer: z.object({ data: tenantAnswer }),
  }),
  listTenants: route({
    method: 'GET',
    path: '/v1/admin/tenants',
    class: 'home',
    scope: null,
    summary: 'List tenants.',
    query: pageQuery,
    status: 200,
    answer: z.object({ data: z.array(tenantAnswer), next_cursor: z.string().nullable() }),
  }),
  getTenant: route({
    method: 'GET',
    path: '/v1/admin/tenants/:id',
    class: 'home',
    scope: null,
    summary: 'Read one tenant.',
    status: 200,
    answer: z.object({ data: tenantAnswer }),
  }),
  updateTenant: route({
    method: 'PATCH',
    path: '/v1/admin/tenants/:id',
    class: 'home',
    scope: null,
    summary: 'Give a tenant another name or tier, suspend it, or lift that.',
    body: z.object({
      name: nonEmptyLabel.optional(),
      tier: tierNameSchema.optional(),
      status: z.enum(['active', 'suspended']).optional(),
    }),
    status: 200,
    answer: z.object({ data: tenantAnswer }),
  }),
  createTenantKey: route({
    method: 'POST',
    path: '/v1/admin/tenants/:id/keys',
    class: 'home',
    scope: null,
    summary: 'Make the first API key of a tenant.',
    body: createKeyBody,
    status: 201,
    answer: newKeyAnswer,
  }),
  revokeTenantKey: route({
    method: 'DELETE',
    path: '/v1/admin/tenants/:id/keys/:key',
    class: 'home',
    scope: null,
    summary: 'Revoke an API key of a tenant.',
    status: 204,
  }),
  listTiers: route({
    method: 'GET',
    path: '/v1/admin/tiers',
    class: 'home',
    scope: null,
    summary: 'Read all tiers.',
    status: 200,
    answer: z.object({ data: z.record(z.string(), tierSchema) }),
  }),
  putTier: route({
    method: 'PUT',
    path: '/v1/admin/tiers/:name',
    class: 'home',
    scope: null,
    summary: 'Make or change a tier. It holds for all of its tenants at once.',
    body: tierSchema,
    status: 200,
    answer: z.object({ data: tierSchema }),
  }),
  reissue: route({
    method: 'POST',
    path: '/v1/admin/accounts/reissue',
    class: 'home',
    scope: null,
    summary:
      'Tell every region all accounts anew. To be said once after the database of the home region was restored from a backup.',
    status: 204,
  }),
} as const
