/**
 * What is wrong between a row and what its host has, and what mends it. Pure: every state answers every finding.
 *
 *   row \ machine          running          paused           starting, stopping   none
 *   creating, provisioning  [orphan] ready   [orphan] pause   wait                 [orphan] fail
 *   running                 expire if late   pause            wait                 end (expired) or fail
 *                           else set it right
 *   snapshotting            [orphan] go on   pause            wait                 end (expired) or fail
 *                           else as running
 *   paused                  pause it there   expire if late   wait                 end (expired) or fail
 *                                            else set it right
 *   error, destroyed        clear            clear            clear                clear
 *   being merged, and live  [orphan] take it back             wait                 [orphan] finish it
 *
 * Set right is when it ends, and then where it may go.
 * [orphan]: only when no living controller works on it; its own controller writes the row otherwise.
 */
import type { VM_STATES } from '../../../shared/contracts/host.ts'
import { LIVE, type SandboxState } from '../../../shared/lifecycle.ts'

export type Mend =
  | 'leave'
  | 'ready'
  | 'pause_row'
  | 'pause_machine'
  /** It was being kept, and nobody waits for that any more. */
  | 'go_on'
  /** Its machine has gone to another sandbox, or will not. */
  | 'finish_merge'
  | 'drop_merge'
  /** Tell the host when it ends. */
  | 'set_deadlines'
  /** Tell the host where it may go. */
  | 'set_egress'
  | 'fail'
  /** Its time is over and it was not to be kept. */
  | 'destroy'
  /** End whatever is on the host, and give its room back. */
  | 'clear'

export type Finding = {
  state: SandboxState
  machine: (typeof VM_STATES)[number] | 'none'
  isOrphan: boolean
  /** Its machine was to be given to another sandbox, and if it is not there, then not because it is known to have died. */
  isMerging: boolean
  /** Past its end by more than a host may be late. A paused sandbox has an end only when it is not to be kept. */
  isOverdue: boolean
  /** It has an end, and its host knows of another one. */
  isMistimed: boolean
  /** Its host was told something else of where it may go. */
  isMisled: boolean
  /** If there is no machine, then because the host ended it on time. */
  isExpired: boolean
  persistent: boolean
}

export function decideMend(finding: Finding): Mend {
  if (finding.isMerging && LIVE.has(finding.state)) return mendMerge(finding)
  switch (finding.state) {
    case 'creating':
    case 'provisioning':
      return finding.isOrphan ? mendOrphan(finding) : 'leave'
    case 'running':
      return mendRunning(finding)
    case 'snapshotting':
      return finding.isOrphan && finding.machine === 'running' ? 'go_on' : mendRunning(finding)
    case 'paused':
      return mendPaused(finding)
    case 'error':
    case 'destroyed':
      return 'clear'
  }
}

function mendMerge({ isOrphan, machine }: Finding): Mend {
  if (!isOrphan) return 'leave'
  switch (machine) {
    case 'running':
    case 'paused':
      return 'drop_merge'
    case 'starting':
    case 'stopping':
      return 'leave'
    case 'none':
      return 'finish_merge'
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

function mendRunning(finding: Finding): Mend {
  const { machine, isOverdue, isExpired, persistent } = finding
  switch (machine) {
    case 'running':
      if (!isOverdue) return setRight(finding)
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

function mendPaused(finding: Finding): Mend {
  const { machine, isOverdue, isExpired, persistent } = finding
  switch (machine) {
    case 'running':
      return 'pause_machine'
    case 'paused':
      if (isOverdue && !persistent) return 'destroy'
      return setRight(finding)
    case 'starting':
    case 'stopping':
      return 'leave'
    case 'none':
      return isExpired && !persistent ? 'destroy' : 'fail'
  }
}

function setRight({ isMistimed, isMisled }: Finding): Mend {
  if (isMistimed) return 'set_deadlines'
  return isMisled ? 'set_egress' : 'leave'
}
