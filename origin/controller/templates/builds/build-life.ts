/**
 * The life of a build.
 *
 *   queued -begin-> building -built-> certifying -certified-> snapshotting -kept-> ready
 *   building, certifying, snapshotting -again-> building    its sandbox or its controller was lost; it goes on from the last step kept
 *   queued and any of these three -fail-> failed, -cancel-> cancelled
 *
 * Whoever moves a build says from which revision, so one controller works on it at most.
 */
import { BUILD_STATES, type BuildState } from '../../../../shared/contracts/templates.ts'

export type BuildEvent = 'begin' | 'built' | 'certified' | 'kept' | 'again' | 'fail' | 'cancel'

const TABLE: Record<BuildState, Partial<Record<BuildEvent, BuildState>>> = {
  queued: { begin: 'building', fail: 'failed', cancel: 'cancelled' },
  building: { built: 'certifying', again: 'building', fail: 'failed', cancel: 'cancelled' },
  certifying: { certified: 'snapshotting', again: 'building', fail: 'failed', cancel: 'cancelled' },
  snapshotting: { kept: 'ready', again: 'building', fail: 'failed', cancel: 'cancelled' },
  ready: {},
  failed: {},
  cancelled: {},
}

/** Undefined where the event leads nowhere. */
export const nextBuildState = (from: BuildState, event: BuildEvent): BuildState | undefined => TABLE[from][event]

/** Nothing follows these. */
export const isEnded = (state: BuildState): boolean => Object.keys(TABLE[state]).length === 0

export const OPEN_STATES = BUILD_STATES.filter((state) => !isEnded(state))
/** A controller works on these. */
export const ACTIVE_STATES = BUILD_STATES.filter((state) => nextBuildState(state, 'again') !== undefined)
