/** The environment and the working folder of a process. */
import { chdir, cwd as folderNow, env as variables } from 'node:process'

/** Null and undefined are variables that are gone. */
export function change(environment) {
  for (const [name, value] of Object.entries(environment)) {
    if (value == null) delete variables[name]
    else variables[name] = value
  }
}

/** Those of one call; what it returns puts back what was there before. */
export function surround(env, cwd) {
  const before = Object.fromEntries(Object.keys(env).map((name) => [name, variables[name]]))
  const folder = cwd === null ? null : folderNow()
  if (cwd !== null) chdir(cwd)
  change(env)
  return () => {
    change(before)
    if (folder !== null) chdir(folder)
  }
}
