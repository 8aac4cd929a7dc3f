/** What is told of a command that has no id of its own, as processes have. */
import { newId } from '../../../shared/ids.ts'
import type { Controller } from '../controller.ts'
import type { CommandFacts, CommandTold } from './commands.ts'

const ID_BYTES = 16

export const tellCommand = (
  { commands, region, clock, random }: Controller,
  sandbox: string,
  facts: CommandFacts,
): CommandTold => commands.tell(sandbox, newId('exec', region.code, clock(), random(ID_BYTES)), facts)
