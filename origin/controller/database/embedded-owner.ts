/**
 * Under which user the embedded server runs. PostgreSQL refuses root, and the data may lie where no other user can reach it
 * (a clone in /root). So, in this order: ourselves, when we are not root; an unprivileged user, when it can reach everything;
 * else a user namespace in which our own files belong to that user, so that no directory has to be opened to others.
 */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export type Argv = [command: string, ...args: string[]]
export type Owner = {
  /** Who must own the server's files; null leaves them as they are made. */
  files: { uid: number; gid: number } | null
  /** The command that runs this command as that user. */
  as(argv: Argv): Argv
}

const USERS = ['postgres', 'nobody']

/** `reachable` are directories that exist already: the server must be able to enter each. */
export async function chooseOwner(reachable: string[]): Promise<Owner> {
  if (process.getuid?.() !== 0) return { files: null, as: (argv) => argv }
  const user = await firstUser()
  const drop = (argv: Argv): Argv => [
    'setpriv',
    `--reuid=${user.uid}`,
    `--regid=${user.gid}`,
    '--clear-groups',
    ...argv,
  ]
  if (await succeeds(drop(['test', ...eachEntered(reachable)]))) return { files: user, as: drop }

  const enclose = (argv: Argv): Argv => [
    'unshare',
    '--user',
    `--map-user=${user.uid}`,
    `--map-group=${user.gid}`,
    ...argv,
  ]
  if (await succeeds(enclose(['true']))) return { files: { uid: 0, gid: 0 }, as: enclose }
  throw new Error(
    `PostgreSQL cannot run as root, and no other user can reach ${reachable.join(' and ')}. ` +
      'Move the project to a directory that others may enter (such as /srv), or set DATABASE_URL.',
  )
}

/** `test -x a -a -x b ...` */
const eachEntered = (directories: string[]): string[] =>
  directories.flatMap((directory, index) => [...(index === 0 ? [] : ['-a']), '-x', directory])

async function succeeds([command, ...args]: Argv): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  )
}

async function firstUser(): Promise<{ uid: number; gid: number }> {
  const lines = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'))
  for (const name of USERS) {
    const line = lines.find(([user]) => user === name)
    if (line !== undefined) return { uid: Number(line[2]), gid: Number(line[3]) }
  }
  throw new Error(`PostgreSQL cannot run as root, and this machine has none of the users ${USERS.join(', ')}.`)
}
