/**
 * What is to be done about a space that is not frozen, by the state of its sandbox. Pure: every state answers every finding.
 *
 *   space \ sandbox   starts   runs          paused               gone
 *   opening           leave    [orphan] opened                    [orphan] failed
 *   open              leave    leave         freeze when idle     ended
 *   freezing          [orphan] stay open                          [orphan] ended
 *
 * [orphan]: only when no living controller works on it.
 */
import type { SpaceState } from '../../../shared/contracts/spaces.ts'
import type { SandboxState } from '../../../shared/lifecycle.ts'

export type SpaceDeed = 'leave' | 'opened' | 'failed' | 'freeze' | 'stay_open' | 'ended'
export type SpaceFinding = {
  state: SpaceState
  sandbox: SandboxState | 'none'
  isOrphan: boolean
  /** Its sandbox has been paused for long enough. */
  isIdle: boolean
}

export function decideSpace({ state, sandbox, isOrphan, isIdle }: SpaceFinding): SpaceDeed {
  switch (state) {
    case 'frozen':
      return 'leave'
    case 'open':
      if (isGone(sandbox)) return 'ended'
      return sandbox === 'paused' && isIdle ? 'freeze' : 'leave'
    case 'opening':
      if (!isOrphan || sandbox === 'creating' || sandbox === 'provisioning') return 'leave'
      return isGone(sandbox) ? 'failed' : 'opened'
    case 'freezing':
      if (!isOrphan) return 'leave'
      return isGone(sandbox) ? 'ended' : 'stay_open'
  }
}

const isGone = (sandbox: SpaceFinding['sandbox']): boolean =>
  sandbox === 'none' || sandbox === 'error' || sandbox === 'destroyed'
