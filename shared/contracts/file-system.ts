/** Files by the calls of another client in the field, as text. What it reads stands where other answers have `data`. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { folderQueryPath, queryPath } from './file-fields.ts'
import { route } from './route.ts'

const SCOPE = 'sandboxes:exec' as const
const done = z.object({ success: z.literal(true), path: z.string() })

export const FS_ROUTES = {
  read: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/fs/read',
    class: 'read',
    scope: SCOPE,
    summary: 'Read a small file as text.',
    query: z.object({ path: queryPath }),
    status: 200,
    answer: z.object({
      path: z.string(),
      content: z.string().describe('The text; what is not UTF-8 is U+FFFD.'),
    }),
  }),
  write: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/fs/write',
    class: 'change',
    scope: SCOPE,
    summary: 'Write a text. Directories are made.',
    body: z.object({ path: queryPath, content: z.string().describe('The text.') }),
    status: 200,
    answer: done,
  }),
  mkdir: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/fs/mkdir',
    class: 'change',
    scope: SCOPE,
    summary: 'Make a directory.',
    body: z.object({
      path: queryPath,
      recursive: z.boolean().default(true).describe('Whether those above are made, too. Default: true.'),
    }),
    status: 200,
    answer: done,
  }),
  list: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/fs',
    class: 'read',
    scope: SCOPE,
    summary: 'What is in a directory.',
    query: z.object({ path: folderQueryPath }),
    status: 200,
    answer: z.object({
      files: z
        .array(
          z.object({
            name: z.string(),
            type: z.enum(['file', 'directory']),
            size_bytes: z.int().describe('Bytes.'),
            modified_at: z.string(),
          }),
        )
        .max(LIMITS.fileEntriesMax),
    }),
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/fs',
    class: 'change',
    scope: SCOPE,
    summary: 'Remove a file, or a directory with all that is in it.',
    query: z.object({ path: queryPath }),
    status: 200,
    answer: done,
  }),
} as const
