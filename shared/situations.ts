/**
 * What goes wrong for those who use the service, and what they are told then: the rows of the page at /docs/errors, in the order of its
 * sections. Status, retry and next step are those of the error table; the sentence is an example, and a test brings about each of them.
 */
import type { ErrorCode } from './errors.ts'

export type Situation = {
  code: ErrorCode
  /** What happened, as a person would say it. */
  what: string
  /** The `message` of such an answer. */
  says: string
  /** The request had no Idempotency-Key. */
  isKeyless?: true
}

export const SITUATIONS = {
  // Regions.
  regionDown: {
    code: 'region_unavailable',
    what: 'You asked for a region, by X-Region or in another way, and it is down.',
    says: 'The region us-west (usw1) cannot be reached at the moment.',
  },
  regionDraining: {
    code: 'region_unavailable',
    what: 'You asked for a new sandbox in a region that is being emptied. The sandboxes that are there go on.',
    says: 'The region us-west (usw1) takes no new sandboxes at the moment.',
  },
  sandboxRegionDown: {
    code: 'region_unavailable',
    what: 'The region in which your sandbox lives is down. The sandbox goes on there, and answers when the region is reached again.',
    says: 'The region eu (eu1) cannot be reached at the moment.',
  },
  noRegionTakesNew: {
    code: 'region_unavailable',
    what: 'You asked for a new sandbox, and every region is being emptied or is down.',
    says: 'No region takes new sandboxes at the moment.',
  },
  allRegionsDown: {
    code: 'region_unavailable',
    what: 'No region can be reached at all.',
    says: 'The region us-west (usw1), eu (eu1) cannot be reached at the moment.',
  },
  unknownRegion: {
    code: 'unknown_region',
    what: 'You asked for a region that does not exist.',
    says: 'There is no region "mars".',
  },
  regionMismatch: {
    code: 'region_mismatch',
    what: 'You named a sandbox of one region, and asked for another region.',
    says: 'The id lives in eu (eu1), not in the region named.',
  },
  keyElsewhere: {
    code: 'idempotency_elsewhere',
    what: 'You sent an Idempotency-Key again with a body that names another region than the one in which its sandbox was made.',
    says: 'The sandbox of this Idempotency-Key was made in the region usw1.',
  },
  lostAnswer: {
    code: 'outcome_unknown',
    what: 'The connection to the region broke while it worked on your command. It was not sent again, because it may have run.',
    says: 'The region us-west (usw1) gave no answer, so the request may have been executed.',
    isKeyless: true,
  },
  tooLate: {
    code: 'outcome_unknown',
    what: 'The region did not answer in the time that you gave it with X-Timeout-Ms.',
    says: 'The region us-west (usw1) gave no answer, so the request may have been executed. To find out, repeat it with the key in details and X-Region: usw1.',
  },

  // Limits.
  tooManySandboxes: {
    code: 'concurrency_limit',
    what: 'You have as many sandboxes running, over all regions, as your tier allows.',
    says: 'Your tier free allows 20 sandboxes at a time.',
  },
  tooManyRequests: {
    code: 'rate_limit_exceeded',
    what: 'You send more requests a minute than your tier allows.',
    says: 'The tier free allows 600 requests a minute from one location.',
  },
  bodyTooLarge: {
    code: 'body_too_large',
    what: 'You send more in one request than your API key allows, or its tier.',
    says: 'With this API key, a body may have at most 4194304 bytes.',
  },

  // Keys.
  noKey: { code: 'missing_token', what: 'You sent no API key.', says: 'The request carries no API key.' },
  keyInUrl: {
    code: 'missing_token',
    what: 'You sent an API key in the URL, where logs and histories keep it.',
    says: 'An API key in the URL is refused. Treat that key as leaked: replace it.',
  },
  mistypedKey: {
    code: 'invalid_token',
    what: 'The API key was not copied whole.',
    says: 'The API key is mistyped or incomplete.',
  },
  unknownKey: { code: 'invalid_token', what: 'Nobody ever made this API key.', says: 'The API key is not known.' },
  revokedKey: { code: 'revoked_token', what: 'The API key was revoked.', says: 'The API key was revoked.' },
  expiredKey: { code: 'revoked_token', what: 'The time of the API key is over.', says: 'The API key has expired.' },
  missingScope: {
    code: 'insufficient_scope',
    what: 'The API key was made for less than this.',
    says: 'This API key does not have the scope sandboxes:write.',
  },

  // Requests.
  mistypedId: {
    code: 'sandbox_not_found',
    what: 'The id of the sandbox was not copied whole.',
    says: 'There is no such sandbox: the id is mistyped or names no region of ours.',
  },
  unknownPath: {
    code: 'route_not_found',
    what: 'There is nothing at this path.',
    says: 'There is nothing at /v2/sandboxes.',
  },
  loop: {
    code: 'loop_detected',
    what: 'A proxy of yours sends to us what we have sent to it.',
    says: 'The request has passed the edge before.',
  },
  noConfiguration: {
    code: 'configuration_unavailable',
    what: 'The service cannot read how it is set up. People have been woken.',
    says: 'The service cannot read its configuration at the moment.',
  },
} as const satisfies Record<string, Situation>
