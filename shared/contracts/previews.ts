/** Ports of a sandbox, opened to visitors. Field names and quirks are a wire contract that clients in the field already speak. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { PORT_MAX } from '../preview-address.ts'
import { route } from './route.ts'
import { urlInfo } from './sandbox-records.ts'

const port = z.int().min(1).max(PORT_MAX).describe('The port in the sandbox.')

/** `public` lets in whoever knows the address; `private` whoever has a share of it. */
export const VISIBILITIES = ['private', 'public'] as const
export type Visibility = (typeof VISIBILITIES)[number]

export const exposeAnswer = urlInfo.extend({ port, alias_slug: z.null() })
export type ExposeAnswer = z.infer<typeof exposeAnswer>

export const previewRecord = z.object({
  id: z.string(),
  sandbox_id: z.string().describe('The sandbox whose port it is.'),
  port,
  visibility: z.enum(VISIBILITIES).describe('Who is let in: whoever knows the address, or whoever has a share of it.'),
  url: z.url().describe('Where visitors reach it.'),
  created_at: z.iso.datetime(),
})
export type PreviewRecord = z.infer<typeof previewRecord>

const shareWords = {
  preview_token: z.string().describe('What `?preview_token=` or the header `X-Miosa-Preview-Token` carries.'),
  share_url: z.url().describe('The address with the token.'),
}

/** Clients drop what stands beside `data`; documents show it there. */
export const shareAnswer = z.object({
  data: z.object({
    id: z.string(),
    share_token_prefix: z.string().describe('How the token begins; all of them begin alike.'),
    share_token_expires_at: z.iso.datetime().describe('When the link is no longer good.'),
    ...shareWords,
  }),
  ...shareWords,
})
export type ShareAnswer = z.infer<typeof shareAnswer>

export const previewTokenAnswer = z.object({
  data: z.object({
    token: z.string().describe('What `?preview_token=` or the header `X-Miosa-Preview-Token` carries.'),
    url: z.url().describe('The address without the token.'),
    embed_url: z.url().describe('The address with the token.'),
    expires_at: z.iso.datetime().describe('When the token is no longer good.'),
    scope: z.literal('read'),
  }),
})
export type PreviewTokenAnswer = z.infer<typeof previewTokenAnswer>

const seconds = z
  .int()
  .min(1)
  .max(LIMITS.shareSecMax)
  .default(LIMITS.shareSecDefault)
  .describe(`Seconds that it is good for. Default: ${LIMITS.shareSecDefault}.`)

export const shareRecord = z.object({
  share_id: z.string(),
  share_url: z.url().describe('The address with the token.'),
  port,
  scope: z.literal('read'),
  expires_at: z.iso.datetime().describe('When the link is no longer good.'),
  created_at: z.iso.datetime(),
})
export type ShareRecord = z.infer<typeof shareRecord>

const tokenWish = {
  expires_in: seconds,
  scope: z.literal('read').default('read').describe('Always `read`: there is no other.'),
  port: port.optional().describe('The port in the sandbox. Default: that of its first preview.'),
}

export const PREVIEW_ROUTES = {
  expose: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/expose',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Open a port to everybody who knows its address. A preview that is there already stays as it is.',
    body: z.object({
      port: port
        .optional()
        .describe(`A port of the sandbox. Default: that of its template, or ${LIMITS.previewPortDefault}.`),
    }),
    status: 200,
    answer: exposeAnswer,
  }),
  create: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/previews',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Open a port, to everybody or to those with a share. Asked again, it changes who is let in.',
    body: z.object({
      port,
      visibility: z
        .enum(VISIBILITIES)
        .default('private')
        .describe('Who is let in: whoever knows the address, or whoever has a share of it. Default: `private`.'),
    }),
    status: 201,
    answer: z.object({ data: previewRecord }),
  }),
  list: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/previews',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'The open ports of a sandbox, in the order in which they were opened.',
    status: 200,
    answer: z.object({ data: z.array(previewRecord) }),
  }),
  get: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/previews/:preview',
    class: 'read',
    scope: 'sandboxes:read',
    summary: 'One open port.',
    status: 200,
    answer: z.object({ data: previewRecord }),
  }),
  delete: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/previews/:preview',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Shut a port. Connections that are open end by themselves.',
    status: 204,
  }),
  share: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/previews/:preview/share',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Make a link that opens a private preview for a time. Links made before stay good.',
    body: z.object({ ttl_seconds: seconds }),
    status: 200,
    answer: shareAnswer,
  }),
  revokeShare: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/previews/:preview/share',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'End every link and token of a preview at once.',
    status: 204,
  }),
  previewToken: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/preview-token',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'Make a token for one port, which is opened as a private preview if it is not open yet.',
    body: z.object(tokenWish),
    status: 200,
    answer: previewTokenAnswer,
  }),
  createShare: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/shares',
    class: 'change',
    scope: 'sandboxes:write',
    summary:
      'Make a link to one port that can be ended by itself; the port is opened as a private preview if it is not open yet.',
    body: z.object(tokenWish),
    status: 201,
    answer: z.object({ data: shareRecord }),
  }),
  listShares: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/shares',
    class: 'read',
    // What it tells opens the ports.
    scope: 'sandboxes:write',
    summary: 'The links of a sandbox that can be ended by themselves and are still good, oldest first.',
    status: 200,
    answer: z.object({ data: z.array(shareRecord) }),
  }),
  deleteShare: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/shares/:share',
    class: 'change',
    scope: 'sandboxes:write',
    summary: 'End one link at once.',
    status: 204,
  }),
} as const
