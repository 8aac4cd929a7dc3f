/** The doubles of everything that an agent serves, as one agent, for tests that ask every route. */
import { startCodeAgent } from './code-agent.ts'
import { fileAgent } from './file-agent.ts'
import type { Agent } from './host-double.ts'
import { joinedAgents } from './joined-agents.ts'
import { startProcessAgent } from './process-agent.ts'
import { startTerminalAgent } from './terminal-agent.ts'

export type WholeAgent = { answer: Agent; remove(): Promise<void> }

export async function wholeAgent(): Promise<WholeAgent> {
  const files = await fileAgent()
  const answer = joinedAgents([
    ['/v1/files', files.answer],
    ['/v1/terminals', startTerminalAgent().serve],
    ['/v1/code', startCodeAgent().serve],
    ['/v1/', startProcessAgent().serve],
  ])
  return { answer, remove: files.remove }
}
