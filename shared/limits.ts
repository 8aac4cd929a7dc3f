/**
 * Every bound of Atoll in one place: sizes, counts and waits, each with its unit in its name.
 * A limit that a caller can run into is named in the error that refuses it.
 */
export const LIMITS = {
  // Requests.
  bodyBytesMax: 4 * 1024 * 1024,
  /** Of a body that is too large, how much more is read and thrown away so that its sender hears why. */
  bodyDiscardBytesMax: 64 * 1024 * 1024,
  /** How long a request's headers may take, a body that is read whole, and a silence in one of any length. */
  headersMs: 60_000,
  bodyMs: 300_000,
  bodyIdleMs: 40_000,
  /** A create may be sent again to another region only if the edge could keep its body. */
  retryBodyBytesMax: 256 * 1024,
  /** Linux refuses a single argument of 128 KiB or more (MAX_ARG_STRLEN); what is longer belongs in a file or on stdin. */
  commandBytesMax: 128_000,
  stdinBytesMax: 1024 * 1024,
  argvCountMax: 1_024,
  envCountMax: 256,
  envBytesMax: 64 * 1024,
  nameCharsMax: 128,
  tagsCountMax: 32,
  tagCharsMax: 64,
  metadataBytesMax: 16 * 1024,
  metadataDepthMax: 32,
  /** How many wrong fields one refusal names. */
  fieldsRefusedMax: 32,
  externalIdCharsMax: 128,
  pathCharsMax: 4_096,
  idempotencyKeyCharsMax: 255,
  idempotencyTtlSec: 24 * 3600,
  idempotencyWaitMs: 10_000,
  /** Of stdout and of stderr, each, in an answer that is kept for a repeat. */
  keptOutputBytesMax: 64 * 1024,
  listRowsMax: 1_000,
  /** Of a list by page; what lies deeper is reached by cursor. */
  listPagesMax: 10_000,
  listPageRowsDefault: 20,
  filterCharsMax: 2_048,
  /** Proxies cut a stream that is silent for longer than about a minute, and some much sooner. */
  streamHeartbeatMs: 15_000,

  // Commands.
  execTimeoutSecDefault: 60,
  execTimeoutSecMax: 3_600,
  /** Of stdout and of stderr, each; the rest is read and dropped, and the answer says `truncated`. */
  execOutputBytesMax: 4 * 1024 * 1024,
  execConcurrencyPerSandboxMax: 64,
  /** Calls to the agent of one sandbox that are open at a time: files, streams, terminals. The agent allows all of these together. */
  guestCallsPerSandboxMax: 192,
  /** Of processes in the background, as the agent keeps them (origin/guest/limits.go): their names, what is shown of their commands, and how many. */
  processNameCharsMax: 512,
  processShownCharsMax: 1_024,
  processesListedMax: 96,
  processTimeoutSecMax: 7 * 24 * 3_600,
  processTailLinesMax: 10_000,
  processTailLinesDefault: 200,
  /** Of what one answer of an agent may say of a process that has it all in a ring of 128 KiB. */
  processKeptBytesMax: 1024 * 1024,
  /** Of a line in a stream; a longer one is told in parts. */
  streamLineBytesMax: 32 * 1024,
  /** Streams of what commands and processes say that one controller holds open at a time: of a tenant, and of all. */
  outputStreamsPerTenantMax: 1_024,
  outputStreamsMax: 5_000,
  /** How long a killed command's pipes may stay open (a grandchild may hold them) before the answer goes out without them. */
  execDrainMs: 500,

  // Code in a sandbox. The agent has the same bounds (origin/guest/limits.go), and this holds it to them.
  codeBytesMax: 1024 * 1024,
  codeContextsMax: 16,
  /** Of one result as JSON, and of all results of a call; what is more is left out, and the answer says `truncated`. */
  codeMessageBytesMax: 8 * 1024 * 1024,
  codeMessagesBytesMax: 16 * 1024 * 1024,
  /** Results and errors of one call. The agent shows no more. */
  codeResultsMax: 256,
  /** Where output is told by line: of a line that does not end. */
  codeLineCharsMax: 256 * 1024,
  /** The documents of Podflare name none for its REST calls; its tools have this one. */
  podflareExecTimeoutSec: 300,

  // Files of a sandbox.
  /** Of a list or a search: how many it tells at most, and how deep it looks below its path. */
  fileEntriesMax: 10_000,
  fileDepthMax: 100,
  /** Of one request that writes many, or packs many. */
  fileWritesMax: 256,
  filePathsMax: 256,
  /** What Linux takes as a path (PATH_MAX). */
  filePathBytesMax: 4_096,
  /** Of a file that is read as text, into one answer of JSON. */
  fileTextBytesMax: 4 * 1024 * 1024,
  /** Of one line in which the agent tells of a change: two paths, each as text and as bytes. */
  fileWatchLineBytesMax: 128 * 1024,
  /** Files of one request that are asked about at the same time. */
  fileQuestionsAtOnceMax: 8,
  fileLinkSecDefault: 3_600,
  fileLinkSecMax: 7 * 24 * 3_600,

  // A sandbox's life.
  timeoutSecDefault: 300,
  timeoutSecMin: 1,
  timeoutSecMax: 86_400,
  idleTimeoutSecMax: 86_400,
  /** Of why a sandbox failed: it may be the last words of its machine. */
  lastErrorCharsMax: 300,
  vcpusMin: 1,
  vcpusMax: 16,
  memoryMibMin: 512,
  memoryMibMax: 32_768,
  diskMibMin: 1_024,
  diskMibMax: 204_800,

  // The wire between a host and its guests.
  frameBytesMax: 64 * 1024,
  guestHandshakeMs: 5_000,
  guestConnectRetryMs: 20,
  guestRequestMs: 5_000,
  guestConsoleBytesMax: 256 * 1024,
  consoleLineCharsMax: 4_096,
  consoleLinesMax: 1_000,
  /** How often a console that somebody follows is looked at. */
  consolePollMs: 1_000,
  /** Between the two looks that show how busy a processor is; the kernel counts in hundredths of a second. */
  cpuSampleMs: 300,
  guestSessionMemoryMibMax: 16,
  guestHeadersMax: 32,
  /** Of one header that the agent sends, and of a path and query that it is asked for. */
  guestHeaderCharsMax: 4 * 1024,
  guestPathCharsMax: 16 * 1024,
  /** Of what it says when it refuses. */
  guestMessageCharsMax: 1_024,
  /** What a guest may send of one answer before the host has taken it in. */
  guestWindowBytes: 128 * 1024,
  /** Of all its answers together: what arrives is taken from the wire at once, whoever reads it. Less would be waited for. */
  guestSessionWindowBytes: 1024 * 1024,
  /** What it may send in one piece: each piece is a trip through the device, and 16 KiB of them halve what a download carries. */
  guestPieceBytesMax: 64 * 1024,
  /** How often it is looked at what a guest sends. */
  guestWatchMs: 500,
  /** Of bytes that are nobody's payload. An agent of ours needs a hundredth of it at its busiest. */
  guestOverheadBytesPerSecMax: 512 * 1024,
  /** Payload that comes, or goes, in pieces of this size on average may have as many bytes around it as it likes. */
  guestPieceBytesMin: 64,
  /** Frames of output that are taken from a guest in a second, and how long it waits when it sends more. */
  guestFramesPerSecMax: 10_000,
  guestFramesPauseMs: 50,
  /** What a guest may say before it greets: left over from a conversation that a clone does not remember. */
  guestNoiseBytesMax: 16 * 1024 * 1024,
  /** An agent that does not answer a ping for this long, after it left a command unended, is taken for dead. */
  guestSilenceMs: 30_000,

  // Accounts.
  /** Of a tenant, living ones. */
  apiKeysMax: 10_000,
  workspacesMax: 1_000,
  externalConcurrencyMax: 100_000,
  /** How long the old secret of a key may go on beside the new one. */
  keyGraceSecMax: 7 * 24 * 3600,
  browserTokenSecDefault: 900,
  browserTokenSecMax: 3_600,
  streamTicketSec: 60,
  /** How soon a controller hears that accounts were changed through another one of its region. */
  accountsNoticeMs: 250,
  accountsFeedRowsMax: 500,
  accountsFeedWaitMsMax: 20_000,
  accountsFeedMs: 10_000,
  accountsRetryMs: 1_000,
  /** How far the version goes ahead when everything is told anew, so that it passes whatever was told before a backup was restored. */
  accountsReissueLeap: 1_000_000,
  /** Each record is one write of KV, and an invocation has a bounded number of those. */
  edgePushRowsMax: 40,
  edgePushMs: 10_000,
  edgePushRetryMsMax: 5_000,
  edgePushBytesMax: 1024 * 1024,
  keyUseNoteMs: 60_000,
  /** Keys that KV does not know are asked of the home region: how long that may take, and how many at a time an isolate asks for. */
  homeKeyMs: 2_000,
  homeKeysAtOnceMax: 64,

  // Hosts.
  bootTimeoutMs: 120_000,
  restoreTimeoutMs: 20_000,
  qmpTimeoutMs: 10_000,
  hostRequestMs: 15_000,
  /** How long an answer may take to its end after its last word; until then it holds its connection, and one of its tenant's places. */
  answerEndMs: 1_000,
  hostPollMs: 1_000,
  /** What several hosts say within this time is written in one statement. */
  hostOffersEveryMs: 100,
  /** How old the word that a host lives may be in the database; much less than hostLostAfterMs. */
  hostSeenEveryMs: 3_000,
  /** A host without word for longer was away: what ended meanwhile is paid for until it was last heard of. */
  hostSilentMs: 6_000,
  hostLostAfterMs: 15_000,
  /** After this long without word, unless the configuration says otherwise, the sandboxes of a host are given up. */
  hostGoneAfterMs: 5 * 60_000,
  /** Looks that are further apart than this do not follow each other. */
  hostLookMsMax: 5_000,
  /** How long a start waits for the first word of a host. */
  hostFirstPollMs: 2_000,
  /** How soon a controller knows of a host that joined, changed or left. */
  hostRosterMs: 1_000,
  /** A host that was removed is looked at for this long, so that what still runs there is ended. */
  hostRemovedKeptMs: 24 * 3_600_000,
  hostsMax: 1_000,
  hostsPerTenantMax: 100,
  joinTokensPerTenantMax: 100,
  joinTokenTtlSecDefault: 3_600,
  joinTokenTtlSecMax: 24 * 3_600,
  joinRetryMs: 1_000,
  joinRetryMsMax: 30_000,
  hostUrlCharsMax: 300,
  /** Of one answer that is JSON; a customer's own machine may send anything. */
  hostAnswerBytesMax: 4 * 1024 * 1024,
  tlsHandshakeMs: 10_000,
  /** Of one call of openssl, which makes a host's certificate. */
  opensslMs: 30_000,
  /** Connections of controllers to one host: commands and calls of several of them, and strangers who are about to be refused. */
  hostdConnectionsMax: 16_384,
  /** Silence on a connection after which the other machine is asked whether it is still there. */
  hostSilenceMs: 10_000,
  /** A host starts no VM when less than this would be left over for everything else on the machine. */
  hostMemoryReserveMib: 1_024,
  hostDiskReserveMib: 2_048,
  /** Children of one fork. */
  forkChildrenMax: 32,
  vmsPerHostMax: 512,
  /** What a machine is assumed to take at once when it starts; the rest comes page by page. */
  vmStartMemoryMib: 256,
  /** Machines that may be starting at the same time, for a sandbox that waits. */
  vmStartsAtOnceMax: 4,
  vmStartsWaitingMax: 256,
  vmKillMs: 5_000,
  /** What is done for a machine while it ends puts its last file into its directory within moments; each wait is longer than the one before. */
  machineRemovalTriesMax: 10,
  machineRemovalRetryMs: 50,
  /** What QEMU may take beside its guest: translated code, device queues, the threads that read and write disks. */
  vmOverheadMib: 512,
  vmSpareCpus: 0.5,
  vmThreadsMax: 128,
  vmCpuWeightPerVcpu: 100,
  vmDiskBytesPerSecMax: 512 * 1024 * 1024,
  vmDiskOpsPerSecMax: 20_000,
  /** How long a machine's cgroup may stay behind after its process has ended; the next daemon removes what is left. */
  cgroupEmptyMs: 1_000,
  deadlineTickMs: 250,
  /** A KVM that has not brought up a stock kernel by then never will. */
  accelProbeMs: 20_000,
  templatesPerHostMax: 24,
  /** How long after its last use a template makes room for another one, if nothing goes on from it, and how often that is looked at. */
  templateRestMs: 10 * 60_000,
  templateLockMs: 300_000,
  /** From the boot of a template's machine to its end: under emulation, imports of large packages take most of it. */
  templateWarmUpMs: 240_000,
  standbyAfterSecMax: 365 * 24 * 3_600,
  /** How often it is looked whether a paused sandbox should go from memory to disk, and when one that could not is tried again. */
  standbyLookMs: 500,
  standbyRetryMs: 60_000,
  /** With less than this free, paused sandboxes go to disk whenever they were paused: soon nothing could be started any more. */
  standbyMemoryMib: 1_536,
  /** How long it may take to bring everything that runs to disk, and how many sandboxes are written at a time. */
  evacuateMs: 60_000,
  evacuationsAtOnceMax: 2,
  /** How long memory is copied before everybody else has a turn, and how much at a time: as fits into a processor's cache. */
  copySliceMs: 2,
  copyChunkBytes: 512 * 1024,
  checksumChunkBytes: 1024 * 1024,
  /** Every layer of a disk is one more file to look into, and one more that stays open. */
  diskLayersMax: 8,
  /** Of the file system, what snapshots may take unless the configuration says otherwise. */
  snapshotDiskShare: 0.5,
  /** QEMU writes 10 to 20 KB, a few more for every virtual processor. */
  deviceStateBytesMax: 4 * 1024 * 1024,
  /** A template that nobody wanted for this long goes when the next one is made; wanted again, it is made anew in seconds. */
  templateUnusedMs: 7 * 24 * 3_600_000,
  poolRetryMsMax: 30_000,
  /** Claims that are so far apart are half as likely to need machines at the same time. */
  poolBurstMs: 5_000,
  /** After this long without another one, half of the busiest moment is forgotten. */
  poolForgetMs: 5 * 60_000,
  /** Kinds of machines that a pool remembers to have been asked for. */
  poolKindsMax: 32,
  /** How often a pool looks at what it keeps when nobody takes anything. */
  poolReviewMs: 5_000,
  /** Templates, each in one size, for which processes are started ahead. */
  shellBasesMax: 4,
  /** Of the machine's memory, for primed machines. */
  poolMemoryShare: 1 / 8,
  /** A claimed machine has the processors for itself this long before its successor is made. */
  poolRefillPauseMs: 50,
  qmpLineBytesMax: 2 * 1024 * 1024,
  /** Linux: sockaddr_un.sun_path is 108 bytes with its closing zero. */
  unixPathBytesMax: 107,

  // The way out of a sandbox.
  /** RFC 1035, 2.3.4: a name is at most 255 bytes on the wire, which is 253 characters. */
  hostNameCharsMax: 253,
  egressRulesMax: 500,
  egressMethodsMax: 16,
  egressGlobCharsMax: 256,
  egressGlobStarsMax: 4,
  /** Of a path that is held against a glob. */
  egressPathCharsMax: 1_024,
  egressPortsMax: 16,
  egressSecretsMax: 64,
  egressSecretCharsMax: 8 * 1024,
  egressSecretHostsMax: 32,
  /** Connections of one sandbox. The agent has as many wait. */
  egressConnectionsMax: 128,
  egressConnectionsPerSecMax: 256,
  /** Of one without a policy, which are all refused. */
  egressRefusalsPerSecMax: 32,
  /** How long one that comes too soon waits before it is looked again. */
  egressPaceMs: 50,
  /** Requests that wait in a sandbox for its next connection. */
  egressAcceptsWaiting: 4,
  egressRetryMs: 250,
  /** How often it is looked whether every sandbox has the way out that it should have. */
  egressTendMs: 250,
  egressLookupMs: 3_000,
  egressLookupTries: 2,
  egressConnectMs: 10_000,
  egressHeadBytesMax: 32 * 1024,
  /** With secrets in the place of their placeholders. */
  egressSentHeadBytesMax: 64 * 1024,
  egressHeadMs: 30_000,
  /** How often connections are looked at that may be slower than that. */
  egressHeadLookMs: 5_000,
  /** Some APIs think for minutes before they say a word. */
  egressIdleMs: 15 * 60_000,
  /** Requests that a client sends before it was answered; apt sends 10. */
  egressPipelinedMax: 64,
  egressKeepAliveMs: 60_000,
  /** How long a connection may stay whose other side has ended. */
  egressLingerMs: 2_000,
  /** RFC 8446, 5.1: a record is at most 16 KiB. Today's longest greetings are 2 KiB. */
  egressHelloBytesMax: 17 * 1024,
  egressLogEntriesMax: 256,
  /** What a sandbox did not get is logged so often when that goes on; the first as many as are kept at a time. */
  egressLogRefusalsPerSec: 1,
  egressLogAnswerMax: 500,
  egressLogPathCharsMax: 256,
  /** How long the log of a sandbox that has ended waits for its collector. */
  egressLogKeptMs: 60_000,
  /** Certificates that are kept, one for each name whose TLS is looked into. */
  egressLeavesMax: 256,
  egressLeafMs: 7 * 24 * 3_600_000,
  egressAuthorityMs: 3_650 * 24 * 3_600_000,
  /** Hosts that a create names, allowed and denied ones each. */
  egressWishRulesMax: 50,
  /** What a sandbox has of its own from the one that it was made of. */
  egressCarriedRulesMax: 200,
  /** Of a tenant, for all its sandboxes and for one: with those of a wish they fit into what one sandbox may have. */
  egressRulesOfTenantMax: 200,
  egressRulesOfSandboxMax: 100,
  egressPoliciesOfOneMax: 20,
  egressBindingsOfSandboxMax: 64,
  /** Of a tenant, with those of single sandboxes. */
  egressRowsPerTenantMax: 20_000,
  egressSecretsPerTenantMax: 256,
  egressNoteCharsMax: 500,
  /** How often changes that concern many sandboxes are carried to their hosts, and how many of them a turn takes and tells at a time. */
  egressSettleMs: 500,
  egressSettleRowsMax: 500,
  /** How long whoever changes where one sandbox may go waits for its host to go by it. */
  egressToldMs: 3_000,
  /** Longer than a create takes from when it reads what its tenant says of egress until its row is there. */
  egressSettleLagMs: 60_000,
  egressSettleAtOnceMax: 8,
  /** How often what sandboxes asked of the world is collected from their hosts. */
  egressCollectMs: 1_000,
  egressCollectPagesMax: 20,
  /** Entries that one statement writes. */
  egressCollectRowsMax: 1_000,
  egressAuditKeptMs: 7 * 24 * 3_600_000,
  /** How far back suggestions look, and how many there are. */
  egressSuggestionsMs: 24 * 3_600_000,
  egressSuggestionsMax: 100,

  // The guest image.
  /** Of one tool that the build of an image calls; the slowest is the download of a Debian. */
  imageToolMs: 15 * 60_000,
  imageToolOutputBytesMax: 16 * 1024 * 1024,
  /** How long one builder waits for another. */
  imageBuildWaitMs: 30 * 60_000,
  /** When an image that no daemon has used for so long is removed, by whoever builds another one. */
  imageUnusedMs: 7 * 24 * 3_600_000,

  // The control plane.
  databaseConnectionsMax: 10,
  databaseConnectMs: 3_000,
  databaseStatementMs: 10_000,
  /** A connection that has been silent for this long is probed, from either end, so that a machine that vanished is soon gone. */
  databaseSilenceMs: 10_000,
  databaseRetryMs: 1_000,
  /** How often a controller looks at the time that its region goes by. */
  regionClockMs: 5_000,
  keyCacheMs: 5_000,
  keyCacheEntriesMax: 10_000,
  /** A server that was killed reads its log again before it answers. */
  databaseStartMs: 30_000,
  /** How soon the end of the embedded server is noticed, and how long at most it is left down after it ended again and again. */
  databaseWatchMs: 200,
  databaseRestartMsMax: 10_000,
  hostConnectionsMax: 64,
  /** Commands and creates that one controller has under way on one host; each has a connection. */
  hostCommandsMax: 4_096,
  /** Of those, and of what passes to the agents there: how many of one tenant, so that they leave connections for the others. */
  hostCallsPerTenantMax: 1_024,
  placementTriesMax: 3,
  reconcileMs: 1_000,
  /** In a large region every host is looked at less often, so that no more sandboxes than this are compared in a second. */
  reconcileSandboxesPerSec: 5_000,
  /** A look at a host that has none costs as much as this many. */
  reconcileSandboxesPerLook: 25,
  reconcileMsMax: 10_000,
  reconcileRowsMax: 1_000,
  /** How long a change of the tables may keep others waiting, and how it goes on when they were in use all that time. */
  migrationLockMs: 500,
  migrationPauseMs: 500,
  migrationTriesMax: 60,
  /** How far sequences leap after a restore: further than any region comes between a backup and its loss. */
  restoreLeap: 1_000_000_000,
  restoreSmallLeap: 1_000_000,
  /** How often what is old is forgotten, and how many times `reconcileRowsMax` rows of a table at once. */
  forgetMs: 10_000,
  forgetBatchesMax: 20,
  /** After it ended: longer than its events are kept, so that a history never lacks its sandbox. What it used is kept for ever. */
  endedSandboxKeptMs: 31 * 24 * 3_600_000,
  hostTokenKeptMs: 7 * 24 * 3_600_000,
  /** How often what is summed up is counted again. */
  recountMs: 60_000,
  /** Every meter that runs is looked at, which costs more than a look at one host. */
  reconcileMetersMs: 10_000,
  /** How long a stretch of usage may be looked at by day. */
  usageDaysMax: 400,
  usageCursorCharsMax: 600,
  ratesMax: 100,
  /** Per hour and unit, in any currency. */
  priceMax: 100_000,
  /** Work of a controller that seems dead is left alone for this long: its session may only be between two connections. */
  instanceGraceMs: 5_000,
  /** Hosts end compute on time by themselves; the controller does it when a host is this late. */
  expiryGraceMs: 2_000,
  /** How often a request that waits for another one looks at its row. */
  rowPollMs: 50,
  /** As long as a create may be waited for; what is not there by then is still made. */
  createWaitMsMax: 120_000,
  /** Creates that one controller carries out without anybody waiting for the answer. */
  backgroundCreatesMax: 1_000,
  readinessWaitMs: 120_000,
  /** Of one controller. All of them together cost one question to the database per `rowPollMs`. */
  readinessWaitersMax: 5_000,
  readinessWaitersPerTenantMax: 1_024,
  /** How often a change is tried again that another one has overtaken. */
  changeTriesMax: 5,
  /** How long a command waits for a sandbox that another request is resuming. */
  resumeWaitMs: 20_000,
  edgeKeysMax: 2,
  /** Of the last minute. About 60 MB when it is full, at 7,000 requests a second: more than one process serves. */
  edgeReplayEntriesMax: 500_000,
  /** A create that has shown no progress for this long lost its controller; the reconciler ends it. */
  createStaleMs: 150_000,
  drainMs: 10_000,
  /** How long nobody may have been inside before a server that drains is closed. */
  drainQuietMs: 100,
  /**
   * Longer than whoever is in front keeps an idle connection, so that the side that sends is the one that closes. Cloudflare keeps them
   * for 900 s (developers.cloudflare.com/fundamentals/reference/connection-limits), undici for 600 s at most, workerd for 5 s.
   */
  keepAliveMs: 920_000,
  /** The same at a host. Its controllers are told, and let go of a connection 2 s before. */
  hostKeepAliveMs: 75_000,

  // Concurrency over regions.
  /** One question to the authority, with what the authority asks other regions meanwhile. */
  quotaExchangeMs: 4_000,
  /** How long a create waits for a larger share of its tenant's limit. */
  quotaWaitMs: 6_000,
  /** Creates of one tenant that wait for it. */
  quotaWaitingMax: 2_000,
  /** How often an exchange is begun anew because another one of the same tenant came between. */
  quotaTriesMax: 5,
  /** How often a controller looks for what another one of its region is asking for. */
  quotaBusyPollMs: 15,
  /** Longer than one question takes, and shorter than a create waits: a controller that was killed in its turn costs nobody theirs. */
  quotaTurnMs: 5_000,
  /** Of the authority's question to a region whether it can do with less, and how often it asks one whose share is on its way. */
  quotaGiveBackMs: 1_000,
  quotaGiveBackRounds: 3,
  quotaGiveBackPauseMs: 40,
  quotaSweepMs: 5_000,
  quotaSweepRowsMax: 200,
  quotaSweepAtOnceMax: 8,
  /** A share that nobody spoke of for this long is reported, so that what a crash left stranded is found. */
  quotaReportMs: 60_000,
  /** A tenant that made nothing for this long needs no share in hand. */
  quotaIdleMs: 300_000,
  quotaTenantsMax: 10_000,
  /** Where nothing more is to be had ahead of need, it is not asked for again sooner than this. */
  quotaLookAgainMs: 1_000,

  // The rate of requests at a region's own address.
  rateWindowMs: 60_000,
  rateBucketsMax: 10_000,

  // Previews.
  previewsPerSandboxMax: 100,
  /** Where a caller names no port. */
  previewPortDefault: 3_000,
  /** That are good and can be revoked one by one. */
  sharesPerSandboxMax: 100,
  shareSecDefault: 3_600,
  shareSecMax: 30 * 24 * 3_600,
  shareTokenCharsMax: 2_048,
  /** Connections into one sandbox. Beside its commands they fit into what its agent serves at a time. */
  tunnelsPerSandboxMax: 256,
  /** Until the agent has connected to its own port, or knows that it cannot. */
  tunnelOpenMs: 10_000,
  /** Requests for previews that one controller carries at a time. */
  previewsAtOnceMax: 4_096,
  previewsPerTenantAtOnceMax: 1_024,
  /** How long the edge waits for the head of a preview's answer: the sandbox may have to wake, and its server to think. */
  previewHeadMs: 100_000,
  previewHeaderBytesMax: 64 * 1024,
  /** How long a visitor whose WebSocket is over may take to hang up. */
  visitorGoodbyeMs: 2_000,

  // Terminals.
  /** Living ones of a sandbox, and those who look at one; what has ended is kept for as many more. */
  terminalsMax: 16,
  terminalViewersMax: 16,
  /** Columns and rows, each. */
  terminalCellsMax: 1_000,
  terminalColsDefault: 80,
  terminalRowsDefault: 24,
  /** Messages of one viewer that are taken in a second; the rest waits on its connection. */
  terminalMessagesPerSecMax: 2_000,
  /** What of a viewer's output may be under way before the terminal waits for it. */
  terminalQueueBytesMax: 256 * 1024,
  /** How often a viewer is asked whether it is still there; one that says nothing until it is asked again is gone. */
  terminalPingMs: 20_000,

  // Snapshots and spaces.
  snapshotsPerTenantMax: 10_000,
  snapshotsPerSandboxMax: 100,
  snapshotCommentCharsMax: 1_024,
  /** Of one call in which a host copies a machine's memory: to keep it, to bring it back, to fork or merge it. */
  hostCopyMs: 120_000,
  /** How often what the hosts keep is compared with what they should. */
  snapshotsMatchMs: 5_000,
  failedSnapshotKeptMs: 7 * 24 * 3_600_000,
  spacesPerTenantMax: 1_000,
  /** How long nobody may have used a space before its sandbox is paused, and after that until it is frozen. */
  spaceIdleSecDefault: 300,
  spacePausedMs: 10_000,
  /** How often spaces are looked at. */
  spacesSettleMs: 2_000,
  /** How many of them one look freezes at the same time: each copies a machine's memory. */
  spacesAtOnceMax: 4,

  // Templates of tenants, and their builds.
  templatesPerTenantMax: 100,
  templateDescriptionCharsMax: 1_024,
  templateTagsMax: 16,
  /** Versions that a template keeps; builds that failed are not counted. */
  templateVersionsMax: 20,
  buildStepsMax: 64,
  buildPackagesMax: 200,
  buildFilesMax: 64,
  /** Of one file; as base64 it still fits on a command's stdin. */
  buildFileBytesMax: 700 * 1024,
  buildArtifactsMax: 32,
  /** Of a spec with all of its files, as JSON. */
  buildSpecBytesMax: 2 * 1024 * 1024,
  buildIssuesMax: 50,
  /** Builds that one controller has under way, and of one tenant in the region. */
  buildsAtOnceMax: 8,
  buildsPerTenantAtOnceMax: 2,
  /** Builds of a tenant that are not done with, those that wait included. */
  buildsWaitingMax: 50,
  /** From when it begins until it is ready, and of one of its steps. */
  buildSecMax: 3_600,
  buildStepSecMax: 1_800,
  /** How long a build waits for a sandbox when its tenant, or the region, has no room for one. */
  buildRoomMs: 600_000,
  buildRoomRetryMs: 1_000,
  /** How often a build that lost its sandbox, or its controller, is begun again. */
  buildAttemptsMax: 4,
  /** How soon a build is begun that nobody of this process knew of, and how soon one hears that it was cancelled. */
  buildsLookMs: 250,
  buildWatchMs: 250,
  /** How long what starts with a template is watched: until then it has ended if it was not started well. */
  buildStartMs: 1_000,
  /** How long it may take until it is ready, and how often it is asked. */
  buildReadySecMax: 120,
  buildReadyTryMs: 1_000,
  buildReadyTrySecMax: 30,
  /** Of everything that one build says; the rest is dropped, and its log says so. */
  buildLogBytesMax: 2 * 1024 * 1024,
  buildLogLineCharsMax: 4_096,
  /** What one line takes beside its text. */
  buildLogLineOverheadBytes: 64,
  /** Lines are written in batches, at most so many and so long after they were said. */
  buildLogRowsMax: 500,
  buildLogGatherMs: 100,
  /** How soon a reader is told of a line. */
  buildLogPollMs: 200,
  /** Of what a step printed, in the error of its build. */
  buildErrorOutputCharsMax: 4_096,
  buildErrorLinesMax: 100,
  /** Steps that are kept for the next build of a tenant: how many, what they take on hosts beside the newest, and for how long unused. */
  buildCachePerTenantMax: 40,
  buildCacheBytesPerTenantMax: 4 * 1024 * 1024 * 1024,
  buildCacheUnusedMs: 7 * 24 * 3_600_000,
  /** How often what builds have left is looked for, and how many of each kind at a time. */
  buildsSettleMs: 5_000,
  buildsSettledMax: 50,
  /** After it ended without becoming a version. */
  endedBuildKeptMs: 14 * 24 * 3_600_000,

  // Events and webhooks.
  /** How soon an event is told that nobody of this process knew of; its own are told at once. */
  eventPollMs: 100,
  /** What is written within this time is published together. */
  eventGatherMs: 5,
  /** How often events of commands are written: what is at most lost with a controller that is killed. */
  commandEventsMs: 500,
  /** In memory: what a controller may have to tell while its database is away. */
  commandEventsHeldMax: 10_000,
  /** They are many, and wanted soon or never: at fifty commands a second a day of one tenant would be gigabytes. */
  commandEventsKeptMs: 3_600_000,
  /** Processes that go on by themselves, of whose end a controller wants to hear. */
  commandsAwaitedMax: 4_096,
  /** How soon a sandbox is asked about such, and how seldom at last; and how many at a time. */
  commandLookMs: 1_000,
  commandLookMsMax: 30_000,
  commandLooksMax: 32,
  /** Events that are given their places in one transaction. */
  eventsPublishedMax: 500,
  /** The newest events, kept in memory for those who follow; who is further behind reads the database. */
  eventsHeldMax: 2_000,
  eventPageRows: 500,
  /** How often a stream on which nothing happens is told how far it has come. Below streamHeartbeatMs. */
  eventPlaceMs: 10_000,
  eventStreamsPerTenantMax: 200,
  eventStreamsMax: 5_000,
  /** How soon the streams of a revoked key end. */
  eventStandingMs: 2_000,
  eventPatternsCharsMax: 2_048,
  eventRetentionMs: 30 * 24 * 3_600_000,
  cursorCharsMax: 200,
  webhooksPerTenantMax: 50,
  webhookUrlCharsMax: 2_048,
  webhookEventsMax: 64,
  webhookHeadersMax: 16,
  webhookHeaderCharsMax: 1_024,
  /** With the delays below, a receiver may be away for an hour and a half and misses nothing. */
  webhookRetriesDefault: 10,
  webhookRetriesMax: 20,
  webhookRetryMs: 5_000,
  webhookRetryMsMax: 3_600_000,
  webhookTimeoutMs: 10_000,
  /** Of one question to a name server, and how often it is asked. */
  nameLookupMs: 2_000,
  nameLookupTries: 2,
  /** How long the addresses of regions are believed before their names are asked again. */
  ownAddressesMs: 60_000,
  /** Longer than an attempt can take: a delivery whose controller was killed is tried again after this. */
  webhookLeaseMs: 20_000,
  webhookAnswerBytesMax: 16 * 1024,
  webhookErrorCharsMax: 300,
  webhookPollMs: 250,
  /** Deliveries that one controller has under way: of all webhooks, and of one. */
  webhookDeliveriesAtOnceMax: 64,
  webhookDeliveriesOfOneAtOnceMax: 8,
  webhookReplayRowsMax: 1_000,
  webhookDeliveryRetentionMs: 14 * 24 * 3_600_000,

  // The edge.
  /** Longer than a cold boot under software emulation takes: a 504 for a sandbox that is about to run would be worse. */
  createDeadlineMs: 25_000,
  listDeadlineMs: 10_000,
  /** Of what a region answers from its database alone, and of one attempt at it: a region that is slower than this hangs. */
  readDeadlineMs: 10_000,
  readAttemptMs: 5_000,
  requestDeadlineMsMax: 60_000,
  edgeTokenTtlSec: 60,
  edgeHopsMax: 1,
  edgeClockSkewSec: 5,
  kvFreshMs: 10_000,
  kvStaleMs: 60_000,
  kvCacheTtlSec: 30,
  keyUnknownMs: 5_000,
  capacityStaleMs: 180_000,
  capacityPollMs: 5_000,
  edgeCacheEntriesMax: 10_000,
  /** How fast a region's distance, as an isolate has seen it, is forgotten; and after how long without an answer it counts no more. */
  rttForgetMs: 10_000,
  rttSeenMs: 60_000,
  /** Nearer than this, load says more than distance. */
  rttMsMin: 5,
  regionsMax: 64,
  registryBytesMax: 64 * 1024,
  /** How many regions one X-Region header may name, and how long it may be. */
  regionsNamedMax: 8,
  regionHeaderCharsMax: 200,
  /** Of an upload, what is in the Worker's memory at a time. */
  edgePieceBytes: 64 * 1024,
  /** A sender slower than this may run into the edge's deadline; faster ones never do, however large the body. */
  uploadBytesPerSecMin: 64 * 1024,
  attemptsMax: 2,
  /** The question "do you live?" that goes before a create when the last answer of a region was lost. */
  regionProbeMs: 1_000,
  /** How long a question about a tenant's Idempotency-Keys may take, and how often it is asked when it was not answered. */
  keyQuestionMs: 4_000,
  keyQuestionTriesMax: 3,
  keyQuestionPauseMs: 50,
  /** Cloudflare lets a Worker go on for 30 s after its answer. */
  keyLateMs: 25_000,
  /** How often a request goes on to where the sandbox of its key is by now. */
  keyMovesMax: 2,
  /** A little longer than a region keeps an Idempotency-Key; those that end within the same while are forgotten together. */
  boundKeyMs: 25 * 3_600_000,
  boundKeysSweepMs: 3_600_000,
  boundKeysPerTenantMax: 100_000,
  /** Creates whose sandboxes are to be given up because they were made elsewhere: of a tenant, and told to one region at a time. */
  debtsPerTenantMax: 5_000,
  debtsAtOnceMax: 16,
  debtPaymentMs: 5_000,
  debtRetryMs: 500,
  debtRetryMsMax: 30_000,
  retryTokensMax: 10,
  retryTokensPerSuccess: 0.1,
  breakerOutcomesMax: 20,
  breakerOutcomesMin: 10,
  breakerWindowMs: 10_000,
  breakerFailuresInARow: 5,
  breakerOpenMs: 5_000,
  breakerOpenMsMax: 60_000,
} as const
