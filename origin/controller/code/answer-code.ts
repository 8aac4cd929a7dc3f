/** A call of code, answered in the form that its caller accepts. */
import { header } from '../http/arrival.ts'
import { json, type Outcome } from '../http/serve-route.ts'
import { type Form, formOf, tellEvents, typeOf } from '../http/told-events.ts'
import { gatherCode } from './gather-code.ts'
import { type CodeCall, runCode } from './run-code.ts'
import { type CodeAsked, streamCode } from './stream-code.ts'
import { tellCode } from './tell-code.ts'

export async function answerCode(
  asked: CodeAsked,
  call: CodeCall,
  form: Form = formOf(header(asked.arrival, 'accept')) ?? 'json',
): Promise<Outcome> {
  const { controller, arrival, principal, reference, caller } = asked
  const { clock } = controller
  if (form === 'json') {
    const asking = { principal, reference, timing: arrival.timing, caller }
    return json({ data: await gatherCode(await runCode(controller, asking, call)) })
  }
  const stream = await streamCode(asked, call, {
    events: (running) => tellCode(running, clock),
    form: (source) => tellEvents(form, source, clock),
  })
  return { stream, headers: typeOf(form) }
}
