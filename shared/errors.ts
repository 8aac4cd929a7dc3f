/**
 * Every error that a caller may see: its status, whether the same request may be sent again, and what to do next.
 *
 * `message` speaks to the caller; `detail` and `cause` are for the log and never leave the process.
 * `executed: false` marks refusals given before anything was done, so that the edge may try another region.
 */
export type Retry = 'never' | 'same-key' | 'later'
type Advice = { retry: Retry; next: string }
type Row = Advice & {
  status: number
  executed?: false
  /** To a request without an Idempotency-Key, where that changes what helps. */
  keyless?: Advice
}

export const ERRORS = {
  // The request itself.
  invalid_json: { status: 400, retry: 'never', next: 'Send a body that is one JSON object.' },
  invalid_request: {
    status: 422,
    retry: 'never',
    next: 'Correct what the message says is wrong, field by field where details name some, and send the request again.',
  },
  invalid_header: { status: 400, retry: 'never', next: 'Correct the header named in the message.' },
  malformed_request: { status: 400, retry: 'never', next: 'Send the whole of a request of HTTP/1.1.' },
  headers_too_large: { status: 431, retry: 'never', next: 'Send fewer or shorter headers, 16 KiB of them at most.' },
  body_too_large: { status: 413, retry: 'never', next: 'Send a smaller body, or the same in several requests.' },
  upload_incomplete: {
    status: 400,
    retry: 'later',
    next: 'Send the whole body again; what came is thrown away, and what was there before is as it was.',
  },
  encoding_not_taken: { status: 415, retry: 'never', next: 'Send the body as it is, without a Content-Encoding.' },
  method_not_allowed: { status: 405, retry: 'never', next: 'Use one of the methods in the Allow header.' },
  route_not_found: { status: 404, retry: 'never', next: 'Check the path; every route begins with /v1 or /api/v1.' },

  // Who is asking.
  missing_token: { status: 401, retry: 'never', next: 'Send your API key as "Authorization: Bearer atl_...".' },
  invalid_token: { status: 401, retry: 'never', next: 'Check that the API key was copied whole, or create a new one.' },
  revoked_token: { status: 401, retry: 'never', next: 'Create a new API key; this one was revoked or has expired.' },
  link_refused: {
    status: 401,
    retry: 'never',
    next: 'Use the link as it was given to you, or ask whoever made it for a new one: POST /v1/sandboxes/{id}/files/sign makes one.',
  },
  insufficient_scope: { status: 403, retry: 'never', next: 'Use an API key that has the scope named in the message.' },
  tenant_suspended: {
    status: 403,
    retry: 'never',
    next: 'Ask the people who run this service to lift the suspension.',
  },
  owner_key_required: {
    status: 403,
    retry: 'never',
    next: "Use a key of the tenant's own: neither a key of an end user nor a short-lived token may do this.",
  },
  key_too_narrow: {
    status: 403,
    retry: 'never',
    next: 'Use an API key that may as much, and lives as long, as the one that it asks for.',
  },
  not_for_tenants: {
    status: 403,
    retry: 'never',
    next: 'Leave this route to the people who run the service; no API key opens it.',
  },
  not_home_region: {
    status: 421,
    retry: 'never',
    next: 'Send the request to the home region named in details, or to the public address of the API.',
    executed: false,
  },

  subject_not_allowed: {
    status: 403,
    retry: 'never',
    next: 'Leave external_user_id out, or use an API key that is not bound to one user or one sandbox.',
  },

  // What is asked for.
  not_found: { status: 404, retry: 'never', next: 'Check the id; nothing of yours has it.' },
  already_exists: { status: 409, retry: 'never', next: 'Choose another name, or use what has this one.' },
  account_limit: { status: 409, retry: 'never', next: 'Remove what is no longer needed, or ask for a higher limit.' },
  sandbox_not_found: { status: 404, retry: 'never', next: 'Check the id; a destroyed sandbox cannot be used again.' },
  snapshot_not_found: {
    status: 404,
    retry: 'never',
    next: 'Check the id; list the snapshots to see those that are kept. A deleted one cannot be used again.',
  },
  snapshot_lost: {
    status: 410,
    retry: 'never',
    next: 'Use another snapshot, and delete this one: what it kept is gone.',
  },
  snapshot_corrupt: {
    status: 410,
    retry: 'never',
    next: 'Use another snapshot, and delete this one: its host has found it damaged.',
  },
  snapshot_incompatible: {
    status: 409,
    retry: 'never',
    next: 'Use another snapshot; this one fits only the QEMU, processor and acceleration that it was taken on.',
  },
  merge_not_possible: {
    status: 409,
    retry: 'never',
    next: 'Merge two sandboxes of one machine that are alike, as a sandbox and its forks are.',
  },
  space_in_use: {
    status: 409,
    retry: 'later',
    next: 'Freeze the space first, or delete it with force=true, which destroys its sandbox.',
  },
  template_not_found: {
    status: 422,
    retry: 'never',
    next: 'Use one of the templates listed in details, or leave the field out.',
  },
  template_in_use: {
    status: 409,
    retry: 'later',
    next: 'Destroy the sandboxes, and delete the snapshots and templates, that were made of it; details say how many there are.',
  },
  template_not_built: {
    status: 409,
    retry: 'later',
    next: 'Build the template first: POST /v1/sandbox-templates/{id}/builds, and wait until the build is ready.',
  },
  invalid_buildspec: {
    status: 422,
    retry: 'never',
    next: 'Correct the fields named in details; POST /v1/sandbox-templates/validate judges a spec without building it.',
  },
  build_not_found: { status: 404, retry: 'never', next: 'Check the id; list the builds of a template to see them.' },
  build_not_ended: { status: 409, retry: 'later', next: 'Cancel the build first, or wait until it has ended.' },
  disk_too_small: {
    status: 422,
    retry: 'never',
    next: 'Ask for a size, or a disk_size_mb, of at least what the message names.',
  },
  no_such_template: { status: 404, retry: 'never', next: 'List the templates to see those that are offered here.' },
  workspace_not_found: {
    status: 422,
    retry: 'never',
    next: 'Create the workspace first, name it by its id, or leave it out for the default one.',
  },
  not_supported: {
    status: 422,
    retry: 'never',
    next: 'Leave out the fields named in details; without them the request can be carried out.',
  },
  unknown_region: {
    status: 400,
    retry: 'never',
    next: 'Use one of the regions listed in details, or leave the region out.',
  },
  region_mismatch: {
    status: 400,
    retry: 'never',
    next: 'Name one region, or none: an id already says where its sandbox lives.',
  },
  name_taken: { status: 409, retry: 'never', next: 'Choose another name, or destroy the sandbox that has it.' },
  sandbox_not_running: {
    status: 409,
    retry: 'never',
    next: 'Read the sandbox to see its state: resume one that is paused, and replace one that has failed by a new one.',
  },
  sandbox_paused: {
    status: 409,
    retry: 'never',
    next: 'The command is frozen with its sandbox and goes on when it is resumed; its output is not kept.',
  },
  sandbox_replaced: {
    status: 409,
    retry: 'never',
    next: 'The sandbox goes on from elsewhere, after a restore or a merge: run the command again if it is still wanted.',
  },
  state_conflict: { status: 409, retry: 'later', next: 'Another request is changing this sandbox; send yours again.' },
  sandbox_busy: { status: 429, retry: 'later', next: 'Wait until one of the running commands has ended.' },
  sandbox_calls_busy: {
    status: 429,
    retry: 'later',
    next: 'Wait until one of the open streams, terminals or transfers of this sandbox has ended.',
  },
  idempotency_key_reused: { status: 422, retry: 'never', next: 'Use a new Idempotency-Key for a different request.' },
  idempotency_elsewhere: {
    status: 409,
    retry: 'never',
    next: 'Send the request to the region named in details, or use a new Idempotency-Key.',
  },
  idempotency_in_progress: {
    status: 409,
    retry: 'same-key',
    next: 'Send the same request with the same key again after the Retry-After delay.',
  },
  idempotency_unavailable: {
    status: 503,
    retry: 'same-key',
    next: 'Send the same request with the same key again after the Retry-After delay.',
    executed: false,
  },

  // Machines.
  host_not_found: { status: 404, retry: 'never', next: 'Check the id; list the hosts to see those that you may name.' },
  host_not_empty: {
    status: 409,
    retry: 'later',
    next: 'Drain the host, wait until no sandbox is left and delete its snapshots, or remove it with force=true, which ends them.',
  },
  host_configured: {
    status: 409,
    retry: 'never',
    next: 'Take the host out of the configuration of the controllers; then it can be removed.',
  },
  host_taken: { status: 409, retry: 'never', next: 'Remove the host where it has joined before, and join again.' },
  host_limit: {
    status: 409,
    retry: 'later',
    next: 'Remove hosts that are not used any more, or wait until unused tokens expire.',
  },
  host_url_refused: {
    status: 422,
    retry: 'never',
    next: 'Give the host an address that is reachable from the public internet.',
  },
  join_token_refused: {
    status: 401,
    retry: 'never',
    next: 'Make a new join token; each is good once and for a limited time.',
  },

  events_forgotten: {
    status: 410,
    retry: 'never',
    next: 'Read the state of your sandboxes, and follow their events from now on: open the stream without a cursor.',
  },
  webhook_url_refused: {
    status: 422,
    retry: 'never',
    next: 'Give an https URL whose host is on the public internet.',
  },

  // Room.
  concurrency_limit: {
    status: 429,
    retry: 'later',
    next: 'Destroy or pause a sandbox, or move to a higher tier.',
    executed: false,
  },
  quota_authority_unavailable: {
    status: 503,
    retry: 'later',
    next: 'Send the request again after the Retry-After delay; what you have running in this region may be replaced meanwhile.',
    executed: false,
  },
  stream_limit: {
    status: 429,
    retry: 'later',
    next: 'Close a stream, or follow several sandboxes on one: /v1/events/stream.',
    executed: false,
  },
  call_limit: {
    status: 429,
    retry: 'later',
    next: 'Close streams, terminals and transfers that are not needed, or wait until some of your calls have ended, and send the request again.',
    executed: false,
  },
  rate_limit_exceeded: {
    status: 429,
    retry: 'later',
    next: 'Slow down to the rate in the RateLimit-Policy header.',
    executed: false,
  },
  size_not_allowed: {
    status: 403,
    retry: 'never',
    next: 'Ask for a smaller machine or a shorter timeout, or use an API key that allows more, up to what its tier does.',
  },
  capacity_exhausted: {
    status: 503,
    retry: 'later',
    next: 'Send the request again after the Retry-After delay, or ask for a smaller machine.',
    executed: false,
  },
  host_memory_exhausted: {
    status: 503,
    retry: 'later',
    next: 'Free memory on the host, or ask for a smaller machine.',
    executed: false,
  },
  host_disk_exhausted: { status: 503, retry: 'later', next: 'Free disk space on the host.', executed: false },
  snapshot_space_exhausted: {
    status: 507,
    retry: 'later',
    next: 'Delete snapshots that are no longer needed, and send the request again.',
    executed: false,
  },
  draining: {
    status: 503,
    retry: 'later',
    next: 'Send the request again; it will reach a server that stays.',
    executed: false,
  },

  // Sandboxes that fail.
  boot_failed: {
    status: 503,
    retry: 'same-key',
    next: 'Create the sandbox again; if it keeps failing, run the doctor on the host.',
  },
  guest_unreachable: {
    status: 502,
    retry: 'later',
    next: 'The agent inside the sandbox does not answer; destroy the sandbox and create a new one.',
  },
  sandbox_expired: {
    status: 410,
    retry: 'never',
    next: 'Create a new sandbox with a longer timeout_sec, or a persistent one, which is paused instead.',
  },
  sandbox_lost: { status: 502, retry: 'never', next: 'The sandbox ended while the request ran; create a new one.' },

  // Code in a sandbox.
  context_not_found: {
    status: 404,
    retry: 'never',
    next: 'Check the id; list the contexts of the sandbox, or leave context_id out for the one that each language has.',
  },
  context_limit: {
    status: 409,
    retry: 'never',
    next: 'Delete contexts that are no longer needed, or use one that is there.',
  },

  // Processes of a sandbox.
  process_not_found: {
    status: 404,
    retry: 'never',
    next: 'List the processes; of those that have ended only the newest are kept.',
  },
  process_not_started: { status: 422, retry: 'never', next: 'Correct what the message names, and start it again.' },
  process_ended: { status: 409, retry: 'never', next: 'Read what it said, or start it again.' },
  stdin_closed: { status: 409, retry: 'never', next: 'Start the process with an open stdin to write to it.' },
  stdin_full: { status: 409, retry: 'later', next: 'Send the rest when the process reads its stdin again.' },

  // Files of a sandbox.
  file_not_found: { status: 404, retry: 'never', next: 'Check the path; list its directory to see what is there.' },
  invalid_path: {
    status: 400,
    retry: 'never',
    next: 'Send an absolute path, or one below /workspace, of names of 255 bytes at most, whose links do not go in circles.',
  },
  is_a_directory: { status: 409, retry: 'never', next: 'Name a file, or use the request that is for directories.' },
  not_a_directory: {
    status: 409,
    retry: 'never',
    next: 'Name a directory; a part of the path before its last may be a file.',
  },
  not_a_file: {
    status: 409,
    retry: 'never',
    next: 'Use exec for pipes, sockets and devices; only files are read here.',
  },
  not_empty: {
    status: 409,
    retry: 'never',
    next: 'Say recursive=true to remove a directory with all that is in it; nothing is moved or copied over one that has something in it.',
  },
  permission_denied: {
    status: 403,
    retry: 'never',
    next: 'Choose a path that the user of the sandbox may use, or send user: root.',
  },
  file_too_large: {
    status: 413,
    retry: 'never',
    next: 'Read it as bytes, whole or in ranges: GET /v1/sandboxes/{id}/files/{path}.',
  },
  file_busy: { status: 409, retry: 'later', next: 'Wait until the file is not used by a running program any more.' },
  disk_full: {
    status: 507,
    retry: 'never',
    next: 'Remove files in the sandbox, or use one with a larger disk; what was there before is as it was.',
  },
  range_not_satisfiable: { status: 416, retry: 'never', next: 'Ask for a range that begins inside of the file.' },
  too_many: {
    status: 422,
    retry: 'never',
    next: 'Ask for less in one request: fewer or smaller directories, or a lower depth.',
  },
  archive_invalid: {
    status: 422,
    retry: 'never',
    next: 'Send a tar or tar.gz of files, directories and links whose names stay inside of it.',
  },
  file_refused: {
    status: 422,
    retry: 'never',
    next: "The message has the word of the sandbox's own kernel, which does not do this with this file.",
  },

  // Terminals.
  terminal_not_found: {
    status: 404,
    retry: 'never',
    next: 'List the terminals of the sandbox to see those that there are, or begin a new one.',
  },
  terminal_limit: {
    status: 429,
    retry: 'later',
    next: 'Delete a terminal, or close a connection to this one, and send the request again.',
    executed: false,
  },
  terminal_not_started: {
    status: 422,
    retry: 'never',
    next: 'Check that shell is a program in the sandbox, and cwd a directory that its user may enter.',
  },
  upgrade_required: {
    status: 426,
    retry: 'never',
    next: 'Open a WebSocket at this address: a plain request is not answered here.',
  },

  // Previews.
  preview_not_found: {
    status: 404,
    retry: 'never',
    next: 'Check the address. The owner of a sandbox opens a port of it with POST /v1/sandboxes/{id}/expose.',
  },
  preview_token_required: {
    status: 401,
    retry: 'never',
    next: 'Ask the owner of the sandbox for a new link: POST /v1/sandboxes/{id}/previews/{preview}/share makes one.',
  },
  port_closed: {
    status: 502,
    retry: 'later',
    next: 'Start a server in the sandbox that listens on this port of 127.0.0.1 or 0.0.0.0, and send the request again.',
  },
  port_no_answer: {
    status: 502,
    retry: 'later',
    next: 'Look at what the server in the sandbox prints; it must speak HTTP/1.1 on this port.',
  },
  port_busy: {
    status: 429,
    retry: 'later',
    next: 'Wait until some of the connections to this sandbox have ended.',
    executed: false,
  },

  // Servers that fail.
  region_unavailable: {
    status: 503,
    retry: 'same-key',
    next: 'Send the request again after the Retry-After delay. What is to be made may be made elsewhere: leave the region out. What has an id is where it is.',
    executed: false,
  },
  outcome_unknown: {
    status: 504,
    retry: 'same-key',
    next: 'The request may have been executed: send it again only with the Idempotency-Key in details, or read the state first.',
    keyless: {
      retry: 'never',
      next: 'The request, and a command in it, may have been executed: look at what it changes before you send it again, or it may be done twice.',
    },
  },
  database_unavailable: { status: 503, retry: 'same-key', next: 'Send the request again after the Retry-After delay.' },
  host_unavailable: {
    status: 503,
    retry: 'later',
    next: 'The machine of this sandbox does not answer; send the request again.',
  },
  configuration_unavailable: {
    status: 503,
    retry: 'later',
    next: 'Send the request again after the Retry-After delay.',
    executed: false,
  },
  loop_detected: { status: 508, retry: 'never', next: 'Send requests to the public address of the API only.' },
  internal: { status: 500, retry: 'later', next: 'Report the request id if it happens again.' },
} as const satisfies Record<string, Row>

export type ErrorCode = keyof typeof ERRORS

export type AppErrorOptions = {
  /** For the caller, inside the body. Never anything internal. */
  details?: Record<string, unknown>
  /** Whole seconds; becomes the Retry-After header. Every 429 and 503 has one. */
  retryAfterSec?: number
  /** It was given before, to the same request. */
  isReplay?: boolean
  /** For the log only. */
  detail?: string
  cause?: unknown
}

/** What a caller should hear. Anything else that is thrown is our own mistake and is answered as `internal`. */
export class AppError extends Error {
  override readonly name = 'AppError'
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined
  readonly detail: string | undefined
  readonly retryAfterSec: number | undefined
  readonly isReplay: boolean

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.details = options.details
    this.detail = options.detail
    this.isReplay = options.isReplay ?? false
    const status: number = ERRORS[code].status
    this.retryAfterSec = options.retryAfterSec ?? (status === 429 || status === 503 ? 1 : undefined)
  }

  get status(): number {
    return ERRORS[this.code].status
  }
}

export type ErrorBody = {
  ok: false
  error: {
    code: ErrorCode
    message: string
    retry: Retry
    next: string
    request_id: string
    details?: Record<string, unknown>
  }
  request_id: string
}

export const toAppError = (thrown: unknown): AppError =>
  thrown instanceof AppError ? thrown : new AppError('internal', 'Something went wrong on our side.', { cause: thrown })

/** `hasKey`: the error names the Idempotency-Key with which it can be found out what became of the request. */
export function adviceOf(code: ErrorCode, hasKey: boolean): Advice {
  const row: Row = ERRORS[code]
  return hasKey ? row : (row.keyless ?? row)
}

export const adviceFor = ({ code, details }: AppError): Advice => adviceOf(code, details?.idempotency_key !== undefined)

/** The body of an error answer. The request id stands twice because clients in the field read either place. */
export function errorBody(error: AppError, requestId: string): ErrorBody {
  const { retry, next } = adviceFor(error)
  const details = error.details === undefined ? {} : { details: error.details }
  return {
    ok: false,
    error: { code: error.code, message: error.message, retry, next, request_id: requestId, ...details },
    request_id: requestId,
  }
}

/** The headers that belong to an error: when to come back, and whether anything was done. */
export function errorHeaders(error: AppError): Record<string, string> {
  const row: Row = ERRORS[error.code]
  const size = error.code === 'range_not_satisfiable' ? error.details?.size_bytes : undefined
  return {
    ...(size === undefined ? {} : { 'content-range': `bytes */${size}` }),
    ...(error.retryAfterSec === undefined ? {} : { 'retry-after': String(Math.ceil(error.retryAfterSec)) }),
    ...(row.executed === false ? { 'x-not-executed': '1' } : {}),
    ...(error.isReplay ? { 'idempotent-replayed': 'true' } : {}),
  }
}
