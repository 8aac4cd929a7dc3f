/** A tenant who has one of everything, in a region whose machines have a whole agent: names that others may try, and in each a word that nobody else may ever read. */
import { randomBytes, randomUUID } from 'node:crypto'
import { newId } from '../../../../shared/ids.ts'
import { type Account, type Json, type TestRegion, textAt, until } from '../support/region.ts'

export type Things = {
  sandbox: string
  sandboxName: string
  externalUser: string
  key: string
  workspace: string
  webhook: string
  delivery: string
  event: string
  host: string
  preview: string
  snapshot: string
  space: string
  policy: string
  rule: string
  secret: string
  binding: string
  auditEntry: string
  terminal: string
  share: string
  context: string
  template: string
  templateName: string
  build: string
  /** Below /workspace, by the path that a URL has. */
  file: string
  process: string
  variable: string
}
export type Planted = { owner: Account; things: Things; word: string }

export async function plant(region: TestRegion): Promise<Planted> {
  const owner = await region.newKey()
  const word = `planted-${randomUUID().slice(0, 8)}`
  const make = async (path: string, body: Json, method = 'POST'): Promise<Json> => {
    const answer = await region.ask(path, { method, key: owner.key, body })
    if (answer.status >= 300) throw new Error(`${method} ${path} was answered with ${answer.status}: ${answer.text}`)
    return answer.json
  }
  const externalUser = `user-${randomUUID()}`
  const sandboxName = `name ${randomUUID()}`
  const workspace = textAt(await make('/v1/workspaces', { name: word, slug: word }), 'data', 'id')
  const webhook = textAt(
    await make('/v1/webhooks', { name: word, url: `http://127.0.0.1:9/${word}`, events: ['*'] }),
    'data',
    'id',
  )
  await make(`/v1/quotas/external/${externalUser}`, { concurrency: 7 }, 'PUT')
  const key = textAt(await make('/v1/api-keys', { name: word, scopes: ['sandboxes:read'] }), 'data', 'id')
  const made = await make('/v1/sandboxes', {
    name: sandboxName,
    workspace_id: workspace,
    tags: [word],
    metadata: { note: word },
    env: { NOTE: word },
    external_user_id: externalUser,
    external_workspace_id: word,
    external_project_id: word,
  })
  const sandbox = textAt(made, 'data', 'id')
  const preview = textAt(await make(`/v1/sandboxes/${sandbox}/previews`, { port: 3_000 }), 'data', 'id')
  const snapshot = textAt(await make(`/v1/sandboxes/${sandbox}/snapshots`, { comment: word }), 'data', 'id')
  const space = textAt(
    await make(`/v1/spaces/${word}`, { tags: [word], metadata: { note: word }, external_user_id: externalUser }, 'PUT'),
    'data',
    'id',
  )
  const share = textAt(await make(`/v1/sandboxes/${sandbox}/shares`, {}), 'data', 'share_id')
  const terminal = textAt(await make(`/v1/sandboxes/${sandbox}/terminal`, {}), 'data', 'session_id')
  const context = textAt(await make(`/v1/sandboxes/${sandbox}/code/contexts`, {}), 'data', 'id')
  const templateName = `own-${randomUUID()}`
  const build_spec = { steps: [{ run: `echo ${word}` }], env: { NOTE: word }, size: 'xs' }
  const owned = { name: templateName, slug: templateName, description: word, metadata: { note: word }, build_spec }
  const template = textAt(await make('/v1/sandbox-templates', owned), 'data', 'id')
  const build = textAt(await make(`/v1/sandbox-templates/${template}/builds`, {}), 'data', 'id')
  await until('the build', async () => {
    const { text } = await region.ask(`/v1/sandbox-template-builds/${build}`, { key: owner.key })
    return text.includes('"state":"ready"') && text.includes('"sandbox_id":null')
  })
  const file = `workspace/${word}`
  await make(`/v1/sandboxes/${sandbox}/files`, { path: `/${file}`, content: Buffer.from(word).toString('base64') })
  const egress = async (kind: string, body: Json): Promise<string> =>
    textAt(await make(`/v1/egress/${kind}`, body), 'data', 'id')
  const policy = await egress('policies', { name: word, resource_id: sandbox })
  const rule = await egress('allowlist', { host: `${word}.example`, effect: 'allow', policy_id: policy, note: word })
  const secret = await egress('secrets', { name: word, value: word, external_user_id: externalUser })
  const binding = await egress('bindings', { secret_id: secret, resource_id: sandbox })
  const auditEntry = newId('aud', 'usw1', Date.now(), randomBytes(16))
  await region.sql(
    `insert into egress_audit (id, tenant, sandbox, external_user, host, port, action, reason, bytes_up, bytes_down, missed, at, inserted_at)
     values ($1, $2, $3, $4, $5, 443, 'denied', 'default', 0, 0, 0, now(), now())`,
    [auditEntry, owner.tenant, sandbox, externalUser, `${word}.example`],
  )
  const host = newId('hst', 'usw1', Date.now(), randomBytes(16))
  await region.sql(
    `insert into host (id, name, tenant, url, accepting, draining, offered_vcpus, offered_memory_mib, offered_disk_mib, offered_vms, last_seen)
     values ($1, $2, $3, 'https://127.0.0.1:9', false, false, 1, 1, 1, 1, now())`,
    [host, word, owner.tenant],
  )
  const delivery = await first(region, 'select id from delivery where webhook = $1 order by id limit 1', webhook)
  const history = await region.ask(`/v1/sandboxes/${sandbox}/history`, { key: owner.key })
  const event = /evt_[a-z0-9_]+/.exec(history.text)?.[0] ?? ''
  return {
    owner,
    word,
    things: {
      sandbox,
      sandboxName,
      externalUser,
      key,
      workspace,
      webhook,
      delivery,
      event,
      host,
      preview,
      snapshot,
      space,
      policy,
      rule,
      secret,
      binding,
      auditEntry,
      terminal,
      share,
      process: 'p_abcdefghijkl',
      variable: 'NOTE',
      context,
      template,
      templateName,
      build,
      file,
    },
  }
}

/** Of each thing one that never was, in the same form. */
export function neverMade(things: Things): Things {
  const fresh = (kind: 'sbx' | 'hst') => newId(kind, 'usw1', Date.now(), randomBytes(16))
  const like = (id: string): string =>
    /_[0-9a-z]{26}[0-9a-z]{3}$/.test(id)
      ? newId(id.split('_')[0] as 'dlv', 'usw1', Date.now(), randomBytes(16))
      : id.replace(/[0-9a-z]{12}$/, () => randomBytes(6).toString('hex'))
  return {
    sandbox: fresh('sbx'),
    sandboxName: `name ${randomUUID()}`,
    externalUser: `user-${randomUUID()}`,
    key: like(things.key),
    workspace: like(things.workspace),
    webhook: like(things.webhook),
    delivery: like(things.delivery),
    // Event ids are sealed, so none can be made up; another's is only a place in time.
    event: things.event,
    host: fresh('hst'),
    preview: like(things.preview),
    snapshot: like(things.snapshot),
    space: like(things.space),
    policy: like(things.policy),
    rule: like(things.rule),
    secret: like(things.secret),
    binding: like(things.binding),
    auditEntry: like(things.auditEntry),
    terminal: like(things.terminal),
    share: like(things.share),
    process: 'p_bbbbbbbbbbbb',
    variable: 'OTHER',
    context: like(things.context),
    template: like(things.template),
    templateName: like(things.templateName),
    build: like(things.build),
    file: like(things.file),
  }
}

async function first(region: TestRegion, statement: string, value: string): Promise<string> {
  let id: unknown
  await until(statement, async () => {
    const [row] = await region.sql<{ id: unknown }>(statement, [value])
    id = row?.id
    return row !== undefined
  })
  return String(id)
}
