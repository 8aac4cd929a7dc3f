/**
 * What is asked of the agent about the files of its machine. Its side is origin/guest/files_*.go; what comes back is a hostile
 * guest's until these schemas have bounded it.
 *
 * A path is absolute, or relative to /workspace; `..` is resolved before the kernel sees it, and one that climbs out of where the
 * path begins is refused. Linux names are bytes. A request names any of them: in JSON as text or as `{"base64"}`, in a query as
 * `path` or `path_base64` (base64url). An answer has the text, with U+FFFD for what is not UTF-8, and then also `..._base64`.
 *
 * Everything is done as `user` (`sandbox` unless it says `root`): the kernel decides what that user may. Links are followed at the
 * end of a path, never inside of what is listed, copied, packed, unpacked or removed. Only regular files are ever opened.
 *
 *   GET  /v1/files ? path user         200 or 206, the bytes. A `range` of one stretch, `if-range`; a range outside
 *                                      of the file is refused, with `content-range`.
 *                                      `etag`, `last-modified`, `accept-ranges`, `atoll-file-mode`, `atoll-file-size`.
 *                                      `content-length`, unless the size says nothing (/proc). A file that is cut short meanwhile
 *                                      breaks the answer off.
 *   HEAD /v1/files ? path user         the same head, without the bytes
 *   PUT  /v1/files ? path user mode    `guestWritten`. The body is the file; it appears whole, or not at all: what was there before
 *                                      stays until then, and keeps its mode unless `mode` (octal) gives one. Parents are made.
 *   GET  /v1/files/stat ? path user follow                   `guestFile`; `follow=false` tells of a link itself
 *   GET  /v1/files/list ? path user depth limit              `guestFileList`, level by level, each directory in the order of its names
 *   GET  /v1/files/search ? path user pattern limit          `guestFileList` of what has such a name. `*`, `?`, `[a-z]`; with a `/` the
 *                                                            pattern is for the path below `path`, where `**` is any number of
 *                                                            directories; without any of these, for a part of the name
 *   POST /v1/files/mkdir   guestFileMkdir                    `guestWritten`
 *   POST /v1/files/move    guestFileMove                     `guestFile` of what is at `to` now. Parents are made.
 *   POST /v1/files/copy    guestFileCopy                     `guestFile` of the copy, which appears whole. Parents are made.
 *   POST /v1/files/remove  guestFileRemove                   `guestRemoved`
 *   POST /v1/files/chmod   guestFileChmod                    `guestFile`
 *   POST /v1/files/write-many  guestWriteMany                `guestWrittenMany`; each file as with PUT
 *   POST /v1/files/pack    guestPack                         200, a tar of the paths and all below them. The names in it begin below
 *                                                            the directory that all of them have in common. Sockets, pipes and
 *                                                            devices are left out.
 *   PUT  /v1/files/unpack ? path user                        `guestUnpacked`. The body is a tar, or a tar.gz; `path` is the directory,
 *                                                            made if need be. Every file appears whole; those before a refusal stay.
 *                                                            No name climbs, nothing is written through a link, no device is made.
 *   GET  /v1/files/watch ? path user recursive               200, lines of `guestWatchLine`, the first of them `ready`
 *
 * Archives are bounded in how many are under way at a time; one more is refused as `sandbox_busy`.
 * Refused: 422, `{"code", "message"}`; shared/contracts/guest-refusals.ts lists the codes, shared/errors.ts has their rows.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'

const text = z.string().max(LIMITS.pathCharsMax)
const base64 = z.base64().max(Math.ceil(LIMITS.pathCharsMax / 3) * 4)

export const guestPath = z.union([text, z.strictObject({ base64 })])
export type GuestPath = z.infer<typeof guestPath>

const user = z.enum(['sandbox', 'root']).optional()
/** Permissions in octal, `0644`. */
const mode = z.string().regex(/^[0-7]{3,4}$/)
const count = z.int().nonnegative()
const bytes = z.int().nonnegative()
/** Unix milliseconds, of a time that a Date can tell. */
const time = z.int().min(-8.64e15).max(8.64e15)

const guestFileType = z.enum(['file', 'directory', 'symlink', 'fifo', 'socket', 'device'])

export const guestFile = z.object({
  path: text,
  path_base64: base64.optional(),
  /** The last part of the path; of the root, `/`. */
  name: text,
  name_base64: base64.optional(),
  type: guestFileType,
  size: bytes,
  mode,
  modified_ms: time,
  uid: count,
  gid: count,
  /** Of a link: what it says, and the type of what it leads to, if it leads to anything that the user may see. */
  target: text.optional(),
  target_base64: base64.optional(),
  target_type: guestFileType.optional(),
  /** Of a directory in a list: why it was not looked into. */
  unread: z.string().max(64).optional(),
})
export type GuestFile = z.infer<typeof guestFile>

export const guestFileList = z.object({
  /** What was asked for. */
  path: text,
  path_base64: base64.optional(),
  entries: z.array(guestFile).max(LIMITS.fileEntriesMax),
  /** There is more than is told: more entries than the limit, or more to look through than a search does. */
  truncated: z.boolean(),
})
export type GuestFileList = z.infer<typeof guestFileList>

/** `created`: it was not there before. */
export const guestWritten = z.object({ created: z.boolean(), file: guestFile })

/** `parents`: make those too, and be content with a directory that is there. It is so unless it says false. */
export const guestFileMkdir = z.object({
  path: guestPath,
  user,
  mode: mode.optional(),
  parents: z.boolean().optional(),
})

/** `overwrite`: a file at `to` is replaced; so it is unless it says false. A directory at `to` is replaced only when it is empty. */
export const guestFileMove = z.object({ from: guestPath, to: guestPath, user, overwrite: z.boolean().optional() })

/** `recursive`: a directory with all that is in it; then there may be nothing at `to`. */
export const guestFileCopy = guestFileMove.extend({ recursive: z.boolean().optional() })

/** `recursive`: a directory with all that is in it; otherwise an empty one is removed. A link is removed, never what it leads to. */
export const guestFileRemove = z.object({ path: guestPath, user, recursive: z.boolean().optional() })

export const guestRemoved = z.object({ removed: count })

export const guestFileChmod = z.object({ path: guestPath, user, mode })

export const guestWriteMany = z.object({
  user,
  files: z.array(z.object({ path: guestPath, content: z.base64(), mode: mode.optional() })).max(LIMITS.fileWritesMax),
})

/** One for each file, in the order of the request. */
export const guestWrittenMany = z.object({
  files: z
    .array(
      z.union([guestWritten, z.object({ code: z.string().max(64), message: z.string().max(LIMITS.pathCharsMax * 2) })]),
    )
    .max(LIMITS.fileWritesMax),
})

export const guestPack = z.object({
  user,
  paths: z.array(guestPath).min(1).max(LIMITS.filePathsMax),
  format: z.enum(['tar', 'tar.gz']),
})
export type GuestPack = z.infer<typeof guestPack>

/** What was made, in files and links; directories beside. */
export const guestUnpacked = z.object({ files: count, directories: count, bytes })

const change = {
  path: text,
  path_base64: base64.optional(),
  is_dir: z.boolean(),
  /** Of a file that is there. */
  size: bytes.optional(),
  /** Where it was before it was moved; that path has been told as deleted. */
  old_path: text.optional(),
  old_path_base64: base64.optional(),
}

export const guestWatchLine = z.discriminatedUnion('type', [
  /** From here on everything is told. */
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('created'), ...change }),
  /** Also its mode or its times. Told once for what happens in quick succession. */
  z.object({ type: z.literal('modified'), ...change }),
  z.object({ type: z.literal('deleted'), ...change }),
  z.object({ type: z.literal('heartbeat') }),
  /** Something was not told: list again. `events`: too many at once; `directories`: more of them than are watched. */
  z.object({ type: z.literal('overflow'), reason: z.enum(['events', 'directories']) }),
  /** What was watched is gone; the answer ends. */
  z.object({ type: z.literal('ended') }),
])
export type GuestWatchLine = z.infer<typeof guestWatchLine>
