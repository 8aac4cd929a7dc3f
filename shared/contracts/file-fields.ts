/** What the routes of files take and tell, field by field. Paths, modes and users mean what they mean to the agent: guest-files.ts. */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'

const text = z.string().min(1).max(LIMITS.pathCharsMax)

/** Names are bytes: one that is no text is said by its bytes. */
export const filePath = z.union([
  text,
  z.strictObject({
    base64: z
      .base64()
      .max(2 * LIMITS.pathCharsMax)
      .describe('The bytes of the path.'),
  }),
])
const RELATIVE = 'Absolute, or relative to /workspace. A name that is not UTF-8 is said as `{"base64"}`.'
export const pathField = (of: string) => filePath.describe(`${of}. ${RELATIVE}`)

export const queryPath = text.describe('The path: absolute, or relative to /workspace.')
export const folderQueryPath = queryPath.default('/workspace').describe('The directory. Default: /workspace.')

export const userField = z
  .enum(['sandbox', 'root'])
  .optional()
  .describe('As whom: `sandbox` or `root`. Default: `sandbox`.')
export const modeField = z
  .string()
  .regex(/^[0-7]{3,4}$/, { error: 'must be octal, like 0644' })
  .describe('Permissions in octal, like 0644.')

/** Clients send it with and without padding, in both alphabets. */
const isBase64 = (content: string): boolean =>
  /^[\w+/-]*={0,2}$/.test(content) && content.replace(/=+$/, '').length % 4 !== 1

export const contentShape = {
  content: z.string().describe('The content in base64, or as it is with `encoding`: `utf8`.'),
  encoding: z.enum(['base64', 'utf8']).default('base64').describe('How the content is written. Default: `base64`.'),
  mode: modeField.optional().describe('Permissions in octal, like 0644. Default: those that the file has, or 0644.'),
}
type Content = { content: string; encoding: 'base64' | 'utf8' }
export const isContent = ({ content, encoding }: Content): boolean => encoding === 'utf8' || isBase64(content)
export const NOT_CONTENT = { error: 'must be base64', path: ['content'] }

const FILE_TYPES = ['file', 'dir', 'symlink', 'other'] as const

/** `..._base64` stand beside a text that is not what the name is, because that is not UTF-8. */
export const fileRecord = z.object({
  path: z.string(),
  path_base64: z.string().optional().describe('The bytes of a path that is not UTF-8.'),
  name: z.string(),
  name_base64: z.string().optional().describe('The bytes of a name that is not UTF-8.'),
  size: z.int().describe('Bytes.'),
  is_dir: z.boolean(),
  type: z.enum(FILE_TYPES),
  mode: z.string().describe('Permissions in octal.'),
  modified_at: z.string(),
  uid: z.int().describe('Whose it is.'),
  gid: z.int().describe('Of which group it is.'),
  target: z.string().optional().describe('Of a link: where it leads.'),
})
export type FileRecord = z.infer<typeof fileRecord>

export const fileList = z.object({
  path: z.string(),
  entries: z.array(fileRecord).describe('Level by level, each directory in the order of its names.'),
  truncated: z.boolean().describe('Whether there is more than is told.'),
})
export type FileList = z.infer<typeof fileList>

/** A directory has its children, as deep as was asked for. */
export type FileTree = {
  path: string
  name: string
  type: (typeof FILE_TYPES)[number]
  size: number
  modified_at: string
  children?: FileTree[]
}
export const fileTree = z.object({
  path: z.string(),
  name: z.string(),
  type: z.enum(FILE_TYPES),
  size: z.int().describe('Bytes.'),
  modified_at: z.string(),
  children: z.array(z.unknown()).optional().describe('Of a directory: what is in it, in the same form.'),
  truncated: z.boolean().optional().describe('Of the root: whether there is more than is told.'),
})

export const manyWritten = z.object({
  written: z.array(z.object({ path: z.string(), size_bytes: z.int().describe('Bytes that the file has now.') })),
  failed: z.array(
    z.object({
      path: z.string(),
      error: z.string().describe('What went wrong, in a sentence.'),
      code: z.string().describe('The same as a code of the table of errors.'),
    }),
  ),
})
export type ManyWritten = z.infer<typeof manyWritten>
