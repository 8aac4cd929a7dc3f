/**
 * What is wrong between a row and what its host has, and what mends it. Pure: every state answers every finding.
 *
 *   row \ machine          running          paused           starting, stopping   none
 *   creating, provisioning  [orphan] ready   [orphan] pause   wait                 [orphan] fail
 *   running, snapshotting   expire if late   pause            wait                 end (expired) or fail
 *                           else retime it
 *   paused                  pause it there   expire if late   wait                 end (expired) or fail
 *                                            else retime it
 *   error, destroyed        clear            clear            clear                clear
 *
 * [orphan]: only when no living controller works on it; its own controller writes the row otherwise.
 */
import type { VM_STATES } from '../../../shared/contracts/host.ts'
import type { SandboxState } from '../../../shared/lifecycle.ts'

export type Mend =
  | 'leave'
  | 'ready'
  | 'pause_row'
  | 'pause_machine'
  /** Tell the host when it ends. */
  | 'set_deadlines'
  | 'fail'
  /** Its time is over and it was not to be kept. */
  | 'destroy'
  /** End whatever is on the host, and give its room back. */
  | 'clear'

export type Finding = {
  state: SandboxState
  machine: (typeof VM_STATES)[number] | 'none'
  isOrphan: boolean
  /** Past its end by more than a host may be late. A paused sandbox has an end only when it is not to be kept. */
  isOverdue: boolean
  /** It has an end, and its host knows of another one. */
  isMistimed: boolean
  /** If there is no machine, then because the host ended it on time. */
  isExpired: boolean
  persistent: boolean
}

export function decideMend(finding: Finding): Mend {
  switch (finding.state) {
    case 'creating':
    case 'provisioning':
      return finding.isOrphan ? mendOrphan(finding) : 'leave'
    case 'running':
    case 'snapshotting':
      return mendRunning(finding)
    case 'paused':
      return mendPaused(finding)
    case 'error':
    case 'destroyed':
      return 'clear'
  }
}

function mendOrphan({ state, machine }: Finding): Mend {
  switch (machine) {
    case 'running':
      return 'ready'
    case 'paused':
      // What was never running cannot be paused: it runs first, and the next look pauses it.
      return state === 'creating' ? 'ready' : 'pause_row'
    case 'starting':
    case 'stopping':
      return 'leave'
    case 'none':
      return 'fail'
  }
}

function mendRunning({ machine, isOverdue, isMistimed, isExpired, persistent }: Finding): Mend {
  switch (machine) {
    case 'running':
      if (!isOverdue) return isMistimed ? 'set_deadlines' : 'leave'
      return persistent ? 'pause_machine' : 'destroy'
    case 'paused':
      return 'pause_row'
    case 'starting':
    case 'stopping':
      return 'leave'
    case 'none':
      return isExpired && !persistent ? 'destroy' : 'fail'
  }
}

function mendPaused({ machine, isOverdue, isMistimed, isExpired, persistent }: Finding): Mend {
  switch (machine) {
    case 'running':
      return 'pause_machine'
    case 'paused':
      if (isOverdue && !persistent) return 'destroy'
      return isMistimed ? 'set_deadlines' : 'leave'
    case 'starting':
    case 'stopping':
      return 'leave'
    case 'none':
      return isExpired && !persistent ? 'destroy' : 'fail'
  }
}
