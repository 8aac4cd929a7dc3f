package main

import "time"

// Every bound of the agent, with its unit in its name. Those that the host shares stand in shared/limits.ts too.
const (
	requestBytesMax        = 8 << 20
	frameChunkBytes        = 32 << 10
	controlLineBytesMax    = 256
	nonceBytesMax          = 64
	drainWait              = 500 * time.Millisecond
	outputFlushWait        = 2 * time.Millisecond
	sweepPause             = time.Second
	startedFlushWait       = 20 * time.Millisecond
	killWait               = 5 * time.Second
	keptLookPause          = 500 * time.Millisecond
	timerSlackNs           = 2_000_000
	timerSlackNsOfCommands = 50_000
	deviceWait             = 10 * time.Second
	portDialWait           = 5 * time.Second
	streamsMax             = 704
	uploadWindowBytes      = 64 << 10
	entropyBytesMax        = 4 << 10
	lingeringLooksMax      = 4
	processesMax           = 4096
	egressConnectionsMax   = 128
	egressAcceptWait       = 15 * time.Second
	egressAnswerWait       = 30 * time.Second
	egressRefusalWait      = 10 * time.Second
	egressRetryPause       = 50 * time.Millisecond
	egressHeadBytesMax     = 64 << 10
	bundleBytesMax         = 4 << 20
	pipeBytesMax           = 1 << 20
	codeContextsMax        = 16
	codeWaitingMax         = 32
	codeBytesMax           = 1 << 20
	codeMessageBytesMax    = 8 << 20
	codeMessagesBytesMax   = 16 << 20
	codeResultsMax         = 256
	codeBetweenBytesMax    = 64 << 10
	codeInterruptWait      = 5 * time.Second
	agentReserveBytes      = 48 << 20

	// Of processes that outlive connections, all together: 96 rings, 128 readers and 64 pairs of pumps are 20 MiB.
	heldRunningMax        = 64
	heldEndedMax          = 32
	outputReadersMax      = 128
	ringBytesMax          = 128 << 10
	bulkBytesLeast        = 4 << 10
	outputBufferBytes     = frameChunkBytes + 1<<10
	nameBytesMax          = 512
	shownBytesMax         = 1 << 10
	inputChunkBytes       = 32 << 10
	inputWait             = 5 * time.Second
	abandonedWait         = 5 * time.Second
	terminateGraceWait    = 3 * time.Second
	terminateLookPause    = 10 * time.Millisecond
	hostFrameBytesMax     = 64 << 10
	terminalsMax          = 16
	terminalsEndedKeptMax = 16
	terminalViewersMax    = 16
	terminalScrollBytes   = 256 << 10
	terminalInputsMax     = 4
	terminalLagBytesMax   = 64 << 10
	terminalStallWait     = time.Second
	terminalGoodbyeWait   = time.Second
	terminalCellsMax      = 1000
	terminalShellBytesMax = 4 << 10
)

// Of files.
const (
	patternBytesMax     = 4_096
	messageBytesMax     = 1_000
	openTriesMax        = 64
	fileChunkBytes      = 64 << 10
	fileEntriesMax      = 10_000
	fileDepthMax        = 100
	fileWritesMax       = 256
	filePathsMax        = 256
	fileListBytesMax    = 3 << 20
	directoryBatchBytes = 16 << 10
	directoriesAheadMax = 20_000
	searchMatches       = 1_000
	searchLooksMax      = 1_000_000
	searchWait          = 20 * time.Second
	linksFollowedMax    = 40
	reserveFromBytes    = 1 << 20
	copyAtOnceBytes     = 8 << 20
	treeEntriesMax      = 1_000_000
	closedModesMax      = 10_000
	archiveHeaderBytes  = 1 << 20
	archiveRestBytes    = 1 << 20
	wholeAtOnceMax      = 4
	archivesAtOnceMax   = 16
	watchedMax          = 8_192
	watchGatherWait     = 50 * time.Millisecond
	watchGatheredMax    = 1_024
	watchMovedMax       = 1_024
	watchHeartbeat      = 10 * time.Second
)
