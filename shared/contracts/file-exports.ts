/** Taking files out of a sandbox and putting many in: links to download, and archives. Names are a wire contract, but for `archive`. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { queryPath, userField } from './file-fields.ts'
import { route } from './route.ts'
import { plainText } from './sandbox-fields.ts'

const SCOPE = 'sandboxes:exec' as const
const path = queryPath.optional()
const paths = z.array(queryPath).max(LIMITS.filePathsMax).default([]).describe('Several paths, each given once.')
const filename = plainText.min(1).max(LIMITS.nameCharsMax)
const download = {
  path,
  'paths[]': paths,
  filename: filename.optional().describe('What the download is called. Default: the name of the file.'),
  user: userField,
}

export const exportRecord = z.object({
  id: z.string(),
  sandbox_id: z.string(),
  label: z.string().nullable(),
  status: z.literal('ready'),
  files: z.array(
    z.object({
      path: z.string(),
      filename: z.string().describe('What the download is called.'),
      size: z.int().describe('Bytes; of a directory, which is downloaded as a tar.gz, 0.'),
      download_url: z.string().describe('A link that needs no header.'),
    }),
  ),
  archive_download_url: z.string().describe('The same for all of them, as one tar.gz.'),
  expires_at: z.iso.datetime().describe('When the links are no longer good.'),
  created_at: z.iso.datetime(),
})
export type ExportRecord = z.infer<typeof exportRecord>

export const EXPORT_ROUTES = {
  create: route({
    method: 'POST',
    path: '/v1/sandboxes/:id/exports',
    class: 'read',
    scope: SCOPE,
    summary: 'Make links with which anybody may download files for a time. They end with the key that made them.',
    body: z
      .object({
        path: queryPath.optional().describe('One path.'),
        paths: z.array(queryPath).max(LIMITS.filePathsMax).optional().describe('Several paths.'),
        label: plainText.max(LIMITS.nameCharsMax).nullish().describe('Words of yours. Default: none.'),
        filename: filename.optional().describe('What the download of all of them is called. Default: export.tar.gz.'),
        expires_in: z
          .int()
          .min(1)
          .max(LIMITS.fileLinkSecMax)
          .default(LIMITS.fileLinkSecDefault)
          .describe(`Seconds that the links are good for. Default: ${LIMITS.fileLinkSecDefault}.`),
      })
      .refine(({ path, paths = [] }) => path !== undefined || paths.length > 0, {
        error: 'give path or paths',
        path: ['path'],
      }),
    status: 200,
    answer: z.object({ data: exportRecord }),
  }),
  download: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/exports/download',
    class: 'read',
    scope: SCOPE,
    link: true,
    summary: 'Download a file as it is; a directory, or several paths, as a tar.gz.',
    query: z.object(download),
    status: 200,
    stream: 'application/octet-stream',
  }),
  pack: route({
    method: 'GET',
    path: '/v1/sandboxes/:id/archive',
    class: 'read',
    scope: SCOPE,
    link: true,
    summary: 'Files and directories as an archive, with all that is below them.',
    query: z.object({
      ...download,
      format: z.enum(['tar', 'tar.gz']).default('tar.gz').describe('`tar` or `tar.gz`. Default: `tar.gz`.'),
    }),
    status: 200,
    stream: 'application/octet-stream',
  }),
  unpack: route({
    method: 'PUT',
    path: '/v1/sandboxes/:id/archive',
    class: 'change',
    scope: SCOPE,
    upload: true,
    summary: 'Unpack a tar or tar.gz, which is the body, below a directory. Nothing is written outside of it.',
    query: z.object({
      path: queryPath.default('/workspace').describe('The directory, which is made if need be. Default: /workspace.'),
      user: userField,
    }),
    status: 200,
    answer: z.object({
      data: z.object({
        path: z.string(),
        files: z.int().describe('How many files and links were made.'),
        directories: z.int().describe('How many directories were made.'),
        bytes: z.int().describe('How much they hold.'),
      }),
    }),
  }),
} as const
