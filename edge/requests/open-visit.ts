/** Lets a request in: loops, unknown paths, keys, scopes, rates and sizes are refused here, before a region hears of it. */
import { requireScope, tighten } from '../../shared/accounts.ts'
import { AppError } from '../../shared/errors.ts'
import { LIMITS } from '../../shared/limits.ts'
import { credentialOf } from '../accounts/credential.ts'
import { identifyCaller } from '../accounts/identify-caller.ts'
import { limitRate, uncountedRates } from '../accounts/limit-rate.ts'
import { readConfig } from '../config.ts'
import { readRegistry, readTiers } from '../regions/read-registry.ts'
import { classifyRequest } from './classify-request.ts'
import { attemptMs, deadlineMs, parseTimeoutHeader } from './deadline.ts'
import { refuseLoop } from './hops.ts'
import { peekBody } from './peek-body.ts'
import { takeBody } from './take-body.ts'
import type { Arrival, Visit } from './visit.ts'

/** Throws AppError. */
export async function openVisit(arrival: Arrival): Promise<Visit> {
  const { request, bindings, reading } = arrival
  const url = new URL(request.url)
  refuseLoop(request.headers)
  const call = classifyRequest(request.method, url)
  if (call === null) throw new AppError('route_not_found', `There is nothing at ${url.pathname.slice(0, 200)}.`)
  const idempotencyKey = parseIdempotencyKey(request.headers)
  const askedMs = parseTimeoutHeader(request.headers.get('x-timeout-ms'))
  const credential = credentialOf(request.method, request.headers.get('authorization'), url.search)

  const config = await readConfig(bindings)
  const [registry, tiers, key] = await Promise.all([
    readRegistry(bindings, reading),
    readTiers(bindings, reading),
    identifyCaller(
      credential,
      { bindings, config, reading },
      { method: request.method, pathAndQuery: call.path + call.search },
    ),
  ])
  requireScope(key, call.scope)
  const ofTier = tiers[key.tier]
  if (ofTier === undefined) {
    throw new AppError('configuration_unavailable', 'The limits of your tier cannot be read at the moment.', {
      detail: `There is no tier ${key.tier}.`,
    })
  }
  const tier = tighten(ofTier, key.limits)
  // The counter is asked while the body arrives.
  const counted = limitRate(bindings, key.tier, ofTier, key.tenant)
  const [body] = await Promise.all([takeBody(request, call, tier.maxBodyMib), counted])
  const peeked = call.class === 'create' || call.runsCommand ? peekBody(body) : undefined
  const waiting = {
    class: call.class,
    runsCommand: call.runsCommand,
    readsRows: call.readsRows,
    askedMs,
    commandSec: peeked === undefined ? undefined : peeked.timeoutSec,
    streamedBytesMax: body.kind === 'stream' && 'bytesMax' in body.waits ? body.waits.bytesMax : 0,
  }
  return {
    ...arrival,
    config,
    registry,
    call,
    key,
    tier,
    uncounted: uncountedRates(bindings, key, ofTier),
    body,
    peeked,
    idempotencyKey,
    isUpgrade: request.headers.get('upgrade')?.toLowerCase() === 'websocket',
    askedMs,
    deadlineMs: deadlineMs(waiting),
    attemptMs: attemptMs(waiting),
    geography: request.cf,
  }
}

/** It travels inside the signed token, so its length is checked here. */
function parseIdempotencyKey(headers: Headers): string | null {
  const value = headers.get('idempotency-key')
  if (value === null || (value !== '' && value.length <= LIMITS.idempotencyKeyCharsMax)) return value
  throw new AppError(
    'invalid_header',
    `Idempotency-Key must have between 1 and ${LIMITS.idempotencyKeyCharsMax} characters.`,
  )
}
