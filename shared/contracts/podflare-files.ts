/** Files in the form of Podflare, whose documents name the calls and not their paths: these are ours, beside what is documented. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { queryPath, userField } from './file-fields.ts'
import { route } from './route.ts'
import { plainText } from './sandbox-fields.ts'

const SCOPE = 'sandboxes:exec' as const
const query = z.object({ path: queryPath, user: userField })
const paths = z.array(z.string()).describe('In the order of a list.')

export const PODFLARE_FILE_ROUTES = {
  upload: route({
    method: 'PUT',
    path: '/podflare/v1/sandboxes/:id/files',
    class: 'change',
    scope: SCOPE,
    upload: true,
    summary: 'Write a file of any size: the body is its content.',
    query,
    status: 204,
  }),
  download: route({
    method: 'GET',
    path: '/podflare/v1/sandboxes/:id/files',
    class: 'read',
    scope: SCOPE,
    summary: 'Read a file.',
    query,
    status: 200,
    stream: 'application/octet-stream',
  }),
  diff: route({
    method: 'POST',
    path: '/podflare/v1/sandboxes/:id/diff',
    class: 'read',
    scope: SCOPE,
    summary: 'What differs in another sandbox of the same region, by the size, the time and the mode of its files.',
    body: z.object({
      other: plainText.min(1).max(LIMITS.nameCharsMax).describe('The other sandbox.'),
      paths: z
        .array(queryPath)
        .min(1)
        .max(LIMITS.filePathsMax)
        .default(['/workspace', '/tmp'])
        .describe('The directories that are compared. Default: /workspace and /tmp.'),
    }),
    status: 200,
    answer: z.object({ added: paths, removed: paths, modified: paths }),
  }),
} as const
