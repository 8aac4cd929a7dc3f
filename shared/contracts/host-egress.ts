/**
 * What a controller tells a host about a sandbox's way out, and what a host tells of the requests that took it or were refused it.
 *
 * A machine has no network. Its proxy door leads to the host, which decides by the name that was asked for; without a policy it refuses
 * everything, and the log tells of that, too. The host journals the policy: a daemon that is killed enforces it again when it comes back. A child of a fork has its
 * parent's unless its spec gives one; a restore in place and a merge keep that of the name. Rules are looked at in their order, and the
 * first that fits decides; who orders them is the controller. What a rule cannot open, whatever it says: mail ports, and addresses
 * that are not of the public internet, unless the policy allows those and the host's own configuration does, too. Traffic keeps no sandbox awake.
 */
import * as z from 'zod'
import { LIMITS } from '../limits.ts'
import { PORT_MAX } from '../preview-address.ts'
import { route } from './route.ts'

/** A host name in lower case (an international one in its ASCII form), or an IP address as `URL` writes it, without brackets. */
const hostName = z
  .string()
  .min(1)
  .max(LIMITS.hostNameCharsMax)
  .regex(/^[a-z0-9_.:-]+$/, { error: 'must be a host name in lower case, or an address' })
/** `*` is every name; `*.example.com` is every name below example.com, at any depth, and not example.com itself. Neither is an IP address. */
export const egressHost = z.union(
  [
    z.literal('*'),
    hostName,
    z
      .string()
      .max(LIMITS.hostNameCharsMax)
      .regex(/^\*(\.[a-z0-9_-]+)+$/),
  ],
  { error: 'must be the name of a host, an address, *.name or *' },
)

/** Nobody's sandbox sends mail: what is sent from an address of ours would be ours to answer for. */
export const MAIL_PORTS: readonly number[] = [25, 465, 587, 2525]
const egressPort = z
  .int()
  .min(1)
  .max(PORT_MAX)
  .refine((port) => !MAIL_PORTS.includes(port), { error: 'must not be a port of mail' })

export const EGRESS_EFFECTS = ['allow', 'deny'] as const

/** `methods` and `path_glob` make the host look into TLS to that name, under the authority that the sandbox is told to trust. */
export const egressRule = z.object({
  /** What the log calls it. */
  id: z.string().max(LIMITS.nameCharsMax),
  host: egressHost,
  effect: z.enum(EGRESS_EFFECTS),
  /** Only requests with one of these; left out, all. */
  methods: z
    .array(z.string().regex(/^[A-Z]{1,20}$/))
    .min(1)
    .max(LIMITS.egressMethodsMax)
    .optional(),
  /**
   * Only requests whose path fits: `*` is anything without `/`, `**` anything. Without the query; dots are resolved, and what needs no
   * percent sign has none, here and in what is then sent on. A path that would climb where an escaped slash is one is refused. Left out, all.
   */
  path_glob: z
    .string()
    .regex(/^\//)
    .max(LIMITS.egressGlobCharsMax)
    .refine((glob) => glob.split(/\*+/).length - 1 <= LIMITS.egressGlobStarsMax, {
      error: `must have at most ${LIMITS.egressGlobStarsMax} stars`,
    })
    .optional(),
  /** Only connections to one of these; left out, 80 and 443. */
  ports: z.array(egressPort).min(1).max(LIMITS.egressPortsMax).optional(),
})
export type EgressRule = z.infer<typeof egressRule>

/** What the sandbox has in its environment instead of a secret: nothing that a program says by chance. */
export const egressPlaceholder = z.string().regex(/^[A-Za-z0-9_-]{16,128}$/)
/** What can stand in a header. */
export const egressSecretValue = z
  .string()
  .min(1)
  .max(LIMITS.egressSecretCharsMax)
  .regex(/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/, { error: 'must be visible ASCII' })

/**
 * Put in the placeholder's place in headers and in the request's target (percent-encoded there), in TLS to one of the hosts only. A placeholder
 * that goes anywhere else goes as it is.
 */
export const egressSecret = z.object({
  placeholder: egressPlaceholder,
  value: egressSecretValue,
  hosts: z.array(egressHost).min(1).max(LIMITS.egressSecretHostsMax),
})
export type EgressSecret = z.infer<typeof egressSecret>

export const EGRESS_MODES = ['enforce', 'audit_only'] as const

export const egressPolicy = z.object({
  /** `audit_only` lets pass what the rules deny, and logs it with `audit_only` as its reason. What no rule can open stays closed. */
  mode: z.enum(EGRESS_MODES),
  /** Of what no rule fits: to the ports 80 and 443. */
  default_effect: z.enum(EGRESS_EFFECTS),
  rules: z.array(egressRule).max(LIMITS.egressRulesMax),
  /** Addresses outside of the public internet are no reason to refuse; only where the host is configured so, and never link-local ones. */
  allow_private: z.boolean().default(false),
  secrets: z.array(egressSecret).max(LIMITS.egressSecretsMax),
  /** In which variables processes find placeholders, where the sandbox has none of that name. Left out: in none. */
  env: z
    .record(z.string().max(LIMITS.nameCharsMax), egressPlaceholder)
    .refine((env) => Object.keys(env).length <= LIMITS.egressSecretsMax, { error: 'must be as few as secrets' })
    .optional(),
})
export type EgressPolicy = z.infer<typeof egressPolicy>

/** A policy of null closes the way out. Revisions are the sandbox's own and only grow; 0 is what a child has from its parent. */
export const egressSetting = z.object({ revision: z.int().min(1), policy: egressPolicy.nullable() })
export type EgressSetting = z.infer<typeof egressSetting>

export const EGRESS_ACTIONS = ['allowed', 'denied', 'error'] as const
/**
 * Why it was allowed, denied or failed.
 *
 *   rule, default            what decided; `rule` of the entry names the rule
 *   audit_only               the policy would have denied it
 *   address                  the name leads to an address outside of the public internet, or is one that no rule names
 *   port                     a port of mail, or one that no rule opens
 *   name                     what was asked for inside is another host than the connection's: SNI or Host header
 *   request                  nothing that can be passed on: not HTTP, not TLS where it must be, headers too large
 *   unresolved, unreachable  nothing is known of the name; nobody answers there, or its certificate is not trusted
 *   broken                   the connection broke off before its end
 */
export const EGRESS_REASONS = [
  'rule',
  'default',
  'audit_only',
  'address',
  'port',
  'name',
  'request',
  'unresolved',
  'unreachable',
  'broken',
] as const

/** One request, or one connection whose requests the host does not see; written at its end. */
export const egressEntry = z.object({
  /** Grows over all sandboxes of the host, also over restarts of its daemon. */
  seq: z.int().min(1),
  sandbox: z.string(),
  /** When it began. */
  at_ms: z.number(),
  /** As it was asked for, cut off at the bound of host names. */
  host: z.string(),
  port: z.int().min(0).max(PORT_MAX),
  method: z.string().optional(),
  /** Without the query, and as the sandbox said it: with placeholders. */
  path: z.string().optional(),
  action: z.enum(EGRESS_ACTIONS),
  reason: z.enum(EGRESS_REASONS),
  /** The id of the rule that decided. */
  rule: z.string().optional(),
  /** Of the bodies; of a connection whose requests the host does not see, everything. */
  bytes_up: z.int().min(0),
  bytes_down: z.int().min(0),
  /** Entries of this sandbox right before this one that were too many, or that nobody collected in time. */
  missed: z.int().min(0),
})
export type EgressEntry = z.infer<typeof egressEntry>

export const egressLogQuery = z.object({
  /** Only entries after this one; those up to it are known, and forgotten. */
  after: z.coerce.number().int().min(0).default(0),
})
/** In the order of `seq`, a bounded number at a time: when `next` is not `after`, ask on from `next`. */
export const egressLog = z.object({ entries: z.array(egressEntry), next: z.int().min(0) })
export type EgressLog = z.infer<typeof egressLog>

export const HOST_EGRESS_ROUTES = {
  put: route({
    method: 'PUT',
    path: '/v1/vms/:id/egress',
    class: 'change',
    scope: null,
    summary:
      'Set where a sandbox may go, in force when it is answered, also for connections that stand: those that may not be any more break. An older revision than the one in force changes nothing; the answer is the one in force.',
    body: egressSetting,
    status: 200,
    answer: z.object({ revision: z.int().min(0) }),
  }),
  log: route({
    method: 'GET',
    path: '/v1/egress/log',
    class: 'read',
    scope: null,
    summary:
      'What sandboxes of this host, also those that ended a moment ago, asked of the world outside. For one collector.',
    query: egressLogQuery,
    status: 200,
    answer: egressLog,
  }),
} as const
