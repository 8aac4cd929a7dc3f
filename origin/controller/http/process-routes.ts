/** The routes of processes, and of commands that are told as they run: parse, call, translate. */
import { PROCESS_ROUTES } from '../../../shared/contracts/processes.ts'
import type { Route } from '../../../shared/contracts/route.ts'
import type { ExecBody } from '../../../shared/contracts/sandbox-bodies.ts'
import type { Principal } from '../accounts/principal.ts'
import { answerCode } from '../code/answer-code.ts'
import { codeOfExec } from '../code/code-of-exec.ts'
import { commandText } from '../commands/command-text.ts'
import { notACursor } from '../not-a-cursor.ts'
import { JSON_TYPE, listProcesses, pathOf, readProcess, startProcess, tellProcess } from '../processes/ask-process.ts'
import { openOutput } from '../processes/open-output.ts'
import { BEGINNING, type OutputCursor, readCursor } from '../processes/output-cursor.ts'
import { planProcess, planStreamed } from '../processes/plan-process.ts'
import { readTail } from '../processes/read-tail.ts'
import type { FoundAsking, GuestAsking } from '../sandboxes/ask-guest.ts'
import { findForCall } from '../sandboxes/find-sandbox.ts'
import { keepFirstAnswer } from '../sandboxes/keep-first-answer.ts'
import { workdirOf } from '../templates/template-settings.ts'
import { header } from './arrival.ts'
import { onceKeyOf } from './once-key.ts'
import { type Call, json, type Outcome, type Serve } from './serve-route.ts'
import { type Form, formOf, typeOf } from './told-events.ts'

type Routes = typeof PROCESS_ROUTES

export function serveProcesses(serve: Serve<Principal>): void {
  serve(PROCESS_ROUTES.execStream, (call) => {
    const code = codeOfExec(call.body)
    return code === undefined ? streamCommand(call, streamFormOf(call)) : answerCode(call, code, streamFormOf(call))
  })
  serve(PROCESS_ROUTES.list, async (call) => json({ data: await listProcesses(call.controller, askingOf(call)) }))
  serve(PROCESS_ROUTES.start, start)
  serve(PROCESS_ROUTES.get, async (call) =>
    json({ data: await readProcess(call.controller, askingOf(call), pidOf(call)) }),
  )
  serve(PROCESS_ROUTES.delete, async (call) => {
    await tellProcess(call.controller, askingOf(call), { method: 'DELETE', path: pathOf(pidOf(call)) })
    return { text: null }
  })
  serve(PROCESS_ROUTES.logs, async (call) => {
    const wish = { pid: pidOf(call), lines: call.query.tail }
    return json({ data: await readTail(call.controller, askingOf(call), wish) })
  })
  serve(PROCESS_ROUTES.stream, stream)
  serve(PROCESS_ROUTES.signal, signal)
  serve(PROCESS_ROUTES.stdin, stdin)
  serve(PROCESS_ROUTES.closeStdin, async (call) => {
    await tellProcess(call.controller, askingOf(call), { method: 'DELETE', path: `${pathOf(pidOf(call))}/stdin` })
    return { text: null }
  })
}

type Asked = Pick<Call<Route>, 'controller' | 'principal' | 'reference' | 'caller' | 'arrival' | 'params'>

const pidOf = ({ params }: Asked): string => params.pid ?? ''

export const askingOf = ({ principal, reference, caller, arrival }: Asked): GuestAsking => ({
  principal,
  reference,
  caller,
  timing: arrival.timing,
})

/** The same of a sandbox that was found already, and where its processes start. */
export async function groundOf(call: Asked): Promise<{ asking: FoundAsking; workdir: string }> {
  const { controller, principal, reference, caller, arrival } = call
  const { db } = controller.database
  const found = await arrival.timing.measure('admit', findForCall(db, principal, reference, controller.region.code))
  return { asking: { waker: principal, found, caller, timing: arrival.timing }, workdir: await workdirOf(db, found) }
}

/** The form of what can only be told as it happens. */
const streamFormOf = ({ arrival }: Asked): Exclude<Form, 'json'> =>
  formOf(header(arrival, 'accept')) === 'ndjson' ? 'ndjson' : 'sse'

/** A command whose caller hears it as it runs. */
export async function streamCommand(call: Asked & { body: ExecBody }, form: Exclude<Form, 'json'>): Promise<Outcome> {
  const { asking, workdir } = await groundOf(call)
  const { pid, stream } = await openOutput(call.controller, {
    principal: call.principal,
    asking,
    form,
    from: BEGINNING,
    command: commandText(call.body),
    request: {
      method: 'POST',
      path: 'processes/run',
      headers: JSON_TYPE,
      body: JSON.stringify(planStreamed(call.body, workdir)),
      isWork: true,
    },
  })
  return { stream, headers: { ...typeOf(form), ...(pid === null ? {} : { 'x-process-id': pid }) } }
}

async function start(call: Call<Routes['start']>): Promise<Outcome> {
  const { controller, principal, body } = call
  const { asking, workdir } = await groundOf(call)
  const { id } = asking.found
  const once = onceKeyOf(call, principal.tenant, `sandboxes/${id}/processes`)
  // The agent, too, starts it once for the same key, so two requests at the same time do no harm.
  const { text, isReplay } = await keepFirstAnswer(controller, once, id, async () =>
    JSON.stringify({ data: await startProcess(controller, asking, planProcess(body, workdir, once)) }),
  )
  return { text, headers: isReplay ? { 'idempotent-replayed': 'true' } : {} }
}

async function stream(call: Call<Routes['stream']>): Promise<Outcome> {
  const form = streamFormOf(call)
  const pid = pidOf(call)
  // Nobody would read it, so nobody would close it.
  if (call.arrival.method === 'HEAD') {
    await readProcess(call.controller, askingOf(call), pid)
    return { text: null, headers: typeOf(form) }
  }
  const from = cursorOf(call.query.cursor ?? header(call.arrival, 'last-event-id'))
  const path = `${pathOf(pid)}/output?stdout=${from.stdout}&stderr=${from.stderr}&follow=1`
  const { stream } = await openOutput(call.controller, {
    principal: call.principal,
    asking: askingOf(call),
    form,
    from,
    request: { method: 'GET', path },
  })
  return { stream, headers: { ...typeOf(form), 'x-process-id': pid } }
}

function cursorOf(text: string | undefined): OutputCursor {
  if (text === undefined || text === '') return BEGINNING
  const cursor = readCursor(text)
  if (cursor !== undefined) return cursor
  throw notACursor()
}

async function signal(call: Call<Routes['signal']>): Promise<Outcome> {
  const named = call.body.signal.toUpperCase()
  const body = JSON.stringify({ signal: named.startsWith('SIG') ? named : `SIG${named}` })
  const path = `${pathOf(pidOf(call))}/signal`
  await tellProcess(call.controller, askingOf(call), { method: 'POST', path, headers: JSON_TYPE, body })
  return OK
}

async function stdin(call: Call<Routes['stdin']>): Promise<Outcome> {
  const { data, data_base64, eof } = call.body
  const path = `${pathOf(pidOf(call))}/stdin`
  const body = data === undefined ? Buffer.from(data_base64 ?? '', 'base64') : Buffer.from(data)
  await tellProcess(call.controller, askingOf(call), { method: 'POST', path, body })
  if (eof === true) await tellProcess(call.controller, askingOf(call), { method: 'DELETE', path })
  return OK
}

const OK = json({ data: { ok: true } })
