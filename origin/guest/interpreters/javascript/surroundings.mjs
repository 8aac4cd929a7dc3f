/** The environment and the working folder of a process. */

/** Null and undefined are variables that are gone. */
export function change(environment) {
  for (const [name, value] of Object.entries(environment)) {
    if (value == null) delete process.env[name]
    else process.env[name] = value
  }
}

/** Those of one call; what it returns puts back what was there before. */
export function surround(env, cwd) {
  const before = Object.fromEntries(Object.keys(env).map((name) => [name, process.env[name]]))
  const folder = cwd === null ? null : process.cwd()
  if (cwd !== null) process.chdir(cwd)
  change(env)
  return () => {
    change(before)
    if (folder !== null) process.chdir(folder)
  }
}
