/** The WebSockets of visitors, for as long as this process is there. */
import type { Controller } from '../controller.ts'
import type { Upgrades } from '../http/door.ts'
import { carryUpgrade } from './carry-upgrade.ts'
import { isVisit } from './enter-visit.ts'

export function visitorUpgrades(controller: Controller): Upgrades {
  const stopping = new AbortController()
  return {
    isWanted: isVisit,
    serve: (incoming, visitor, head) => void carryUpgrade(controller, { incoming, visitor, head }, stopping.signal),
    end: () => stopping.abort(),
  }
}
