/**
 * Loaded into the process of each test file: ends it when it is still there long after its time, and says what kept it.
 * The runner only reports that a file is too late; a clean-up that waits for ever would keep all the others from running.
 */
const deadlineMs = Number(process.env.ATOLL_TEST_DEADLINE_MS)

setTimeout(() => {
  process.stderr.write(`Still here after ${deadlineMs} ms, kept by: ${process.getActiveResourcesInfo().join(', ')}\n`)
  process.exit(1)
}, deadlineMs).unref()
