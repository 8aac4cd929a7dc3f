/**
 * The life of a space.
 *
 *   frozen -open-> opening -opened-> open -freeze-> freezing -frozen-> frozen
 *   opening -failed-> frozen         no sandbox came of it; it goes on from where it was
 *   freezing -used-> open            somebody used the sandbox meanwhile: what was kept is not what it is
 *   open, freezing -ended-> frozen   its sandbox is gone, and what it did since it was opened with it
 *
 * Whoever moves a space says from which revision, so a space is in one sandbox at most.
 */
import { SPACE_STATES, type SpaceState } from '../../../shared/contracts/spaces.ts'

export type SpaceEvent = 'open' | 'opened' | 'failed' | 'freeze' | 'frozen' | 'used' | 'ended'

const TABLE: Record<SpaceState, Partial<Record<SpaceEvent, SpaceState>>> = {
  frozen: { open: 'opening' },
  opening: { opened: 'open', failed: 'frozen' },
  open: { freeze: 'freezing', ended: 'frozen' },
  freezing: { frozen: 'frozen', used: 'open', ended: 'frozen' },
}

/** Undefined where the event leads nowhere. */
export const nextSpaceState = (from: SpaceState, event: SpaceEvent): SpaceState | undefined => TABLE[from][event]

export const spaceSourcesOf = (event: SpaceEvent): SpaceState[] =>
  SPACE_STATES.filter((state) => nextSpaceState(state, event) !== undefined)
