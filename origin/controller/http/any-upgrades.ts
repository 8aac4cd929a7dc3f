/** Several who take up other protocols, as one. */
import type { Upgrades } from './door.ts'

/** The first who wants a request has it. */
export function anyUpgrades(...all: readonly Upgrades[]): Upgrades {
  return {
    isWanted: (incoming) => all.some((one) => one.isWanted(incoming)),
    serve(incoming, socket, head) {
      const wanting = all.find((one) => one.isWanted(incoming))
      if (wanting === undefined) socket.destroy()
      else wanting.serve(incoming, socket, head)
    },
    end: () => {
      for (const one of all) one.end()
    },
  }
}
