/**
 * Files of a sandbox. Names and quirks are a wire contract that clients in the field already speak; PUT, DELETE, HEAD, ranges, mkdir,
 * move, copy, chmod, search, sign and archives are ours.
 *
 * All of it needs the scope `sandboxes:exec`, reading too: it wakes a sandbox, and what lies in its files is as much its owner's as what
 * its commands print. Clients strip the slashes before a path and let their URL parser resolve its dots, so a path below /files/ is
 * absolute, and whatever else such a URL turns into is another route with a scope of its own.
 *
 * `watch`, `tree`, `read`, `list` and `search` below /files/ are calls only with what makes them one: a query, or the Accept of a stream.
 * Otherwise they are files of the root directory.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import {
  contentShape,
  fileList,
  filePath,
  fileRecord,
  fileTree,
  folderQueryPath,
  isContent,
  manyWritten,
  modeField,
  NOT_CONTENT,
  pathField,
  queryPath,
  userField,
} from './file-fields.ts'
import { depth, flag, limit, writeManyBody } from './file-requests.ts'
import { route } from './route.ts'

const SCOPE = 'sandboxes:exec' as const
const one = z.object({ data: fileRecord })

export const FILE_ROUTES = {
  write: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files',
    class: 'change',
    scope: SCOPE,
    summary: 'Write a small file. It appears whole, and its directories are made. Larger ones are sent with PUT.',
    body: z.object({ path: pathField('Where'), user: userField, ...contentShape }).refine(isContent, NOT_CONTENT),
    status: 200,
    answer: one,
  }),
  list: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/files',
    class: 'read',
    scope: SCOPE,
    summary: 'What is in a directory.',
    query: z.object({ path: folderQueryPath, depth: depth(1), limit, user: userField }),
    status: 200,
    answer: z.object({ data: fileList }),
  }),
  listOfDocs: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/files/list',
    class: 'read',
    scope: SCOPE,
    summary: 'The same, with `path`; without it the file /list.',
    query: z.object({ path: queryPath.optional(), depth: depth(1), limit, user: userField }),
    status: 200,
    answer: z.object({ data: fileList }),
  }),
  stat: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/stat',
    class: 'read',
    scope: SCOPE,
    summary: 'What a path leads to.',
    body: z.object({
      path: pathField('Of what'),
      follow: z.boolean().default(true).describe('Whether a link is what it leads to. Default: true.'),
      user: userField,
    }),
    status: 200,
    answer: one,
  }),
  tree: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/files/tree',
    class: 'read',
    scope: SCOPE,
    summary: 'A directory and what is below it, as a tree. Without `path`, the file /tree.',
    query: z.object({ path: queryPath.optional(), depth: depth(3), limit, user: userField }),
    status: 200,
    answer: z.object({ data: fileTree }),
  }),
  search: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/files/search',
    class: 'read',
    scope: SCOPE,
    summary:
      'What is below a directory and has such a name, in the order of a list. Without `pattern`, the file /search.',
    query: z.object({
      path: folderQueryPath,
      pattern: z
        .string()
        .min(1)
        .max(LIMITS.pathCharsMax)
        .optional()
        .describe(
          '`*`, `?` and `[a-z]` as a shell has them, `**` for any number of directories; else a part of the name.',
        ),
      limit,
      user: userField,
    }),
    status: 200,
    answer: z.object({ data: fileList }),
  }),
  writeMany: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/write-many',
    class: 'change',
    scope: SCOPE,
    summary: 'Write several small files. Each is written or not by itself.',
    body: writeManyBody,
    status: 200,
    answer: z.object({ data: manyWritten }),
  }),
  batch: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/batch',
    class: 'change',
    scope: SCOPE,
    summary: 'The same, by the name that other clients have.',
    body: writeManyBody,
    status: 200,
    answer: z.object({ data: manyWritten }),
  }),
  mkdir: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/mkdir',
    class: 'change',
    scope: SCOPE,
    summary: 'Make a directory, and those above it. One that is there stays.',
    body: z.object({
      path: pathField('Where'),
      parents: z
        .boolean()
        .default(true)
        .describe('Whether those above are made too, and one that is there is fine. Default: true.'),
      mode: modeField.optional().describe('Permissions in octal. Default: 0755.'),
      user: userField,
    }),
    status: 200,
    answer: one,
  }),
  move: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/move',
    class: 'change',
    scope: SCOPE,
    summary: 'Move or rename a file or a directory.',
    body: z.object({
      from: pathField('What'),
      to: pathField('Where it is afterwards'),
      overwrite: z.boolean().default(true).describe('Whether a file that is there is replaced. Default: true.'),
      user: userField,
    }),
    status: 200,
    answer: one,
  }),
  copy: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/copy',
    class: 'change',
    scope: SCOPE,
    summary: 'Copy a file, or a directory with all that is in it. The copy appears whole.',
    body: z.object({
      from: pathField('What'),
      to: pathField('Where the copy is'),
      recursive: z.boolean().default(true).describe('Whether a directory may be copied. Default: true.'),
      overwrite: z.boolean().default(true).describe('Whether a file that is there is replaced. Default: true.'),
      user: userField,
    }),
    status: 200,
    answer: one,
  }),
  chmod: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/chmod',
    class: 'change',
    scope: SCOPE,
    summary: 'Set the permissions of a file or a directory.',
    body: z.object({ path: pathField('Of what'), mode: modeField, user: userField }),
    status: 200,
    answer: one,
  }),
  sign: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/files/sign',
    class: 'read',
    scope: SCOPE,
    summary:
      'Make a link with which anybody may read, or write, one file for a time. It ends with the key that made it.',
    body: z.object({
      path: filePath.describe('Which file, by its absolute path. A name that is not UTF-8 is said as `{"base64"}`.'),
      method: z.enum(['GET', 'PUT']).default('GET').describe('`GET` to read, `PUT` to write. Default: `GET`.'),
      expires_in: z
        .int()
        .min(1)
        .max(LIMITS.fileLinkSecMax)
        .default(LIMITS.fileLinkSecDefault)
        .describe(`Seconds that it is good for. Default: ${LIMITS.fileLinkSecDefault}.`),
      user: userField,
    }),
    status: 200,
    answer: z.object({
      data: z.object({
        url: z.string().describe('The link. It needs no header.'),
        method: z.enum(['GET', 'PUT']),
        path: z.string(),
        expires_at: z.iso.datetime().describe('When the link is no longer good.'),
      }),
    }),
  }),
  watch: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/files/watch',
    class: 'read',
    scope: SCOPE,
    summary:
      'What changes below a directory, as it does. Without the Accept of a stream and without `path`, the file /watch.',
    told: '`change` {`path`, `is_dir`, `size_bytes`, `old_path`}, whose `type` is `created`, `modified` or `deleted`. `overflow` {`reason`}: more changed than could be told, so look anew.',
    query: z.object({
      path: queryPath.optional().describe('The directory, or the file. Default: /workspace.'),
      recursive: flag.default('true').describe('Whether what is deeper counts, too. Default: true.'),
      user: userField,
    }),
    status: 200,
    stream: 'text/event-stream',
  }),
  readOfDocs: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/files/read',
    class: 'read',
    scope: SCOPE,
    summary: 'Read the file at `path`; without it the file /read.',
    query: z.object({ path: queryPath.optional(), user: userField }),
    status: 200,
    stream: 'application/octet-stream',
  }),
  read: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/files/:path{[^]+}',
    class: 'read',
    scope: SCOPE,
    link: true,
    summary: 'Read a file: all of it, or the range that `Range` asks for. HEAD tells its size.',
    query: z.object({ user: userField }),
    status: 200,
    stream: 'application/octet-stream',
  }),
  put: route({
    method: 'PUT',
    path: '/v1/sandboxes/:id/files/:path{[^]+}',
    class: 'change',
    scope: SCOPE,
    link: true,
    upload: true,
    summary: 'Write a file of any size: the body is its content. It appears when all of it has come, or not at all.',
    query: z.object({
      mode: modeField.optional().describe('Permissions in octal. Default: those that the file has, or 0644.'),
      user: userField,
    }),
    status: 200,
    answer: one,
  }),
  remove: route({
    method: 'DELETE',
    path: '/v1/sandboxes/:id/files/:path{[^]+}',
    class: 'change',
    scope: SCOPE,
    summary: 'Remove a file, an empty directory, or with `recursive` a directory and all that is in it.',
    query: z.object({
      recursive: flag.default('false').describe('Whether a directory goes with all that is in it. Default: false.'),
      user: userField,
    }),
    status: 200,
    answer: z.object({ data: z.object({ path: z.string(), removed: z.int().describe('Files and directories.') }) }),
  }),
} as const
