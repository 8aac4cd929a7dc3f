package main

// codeEnd is how a call ended; shared/contracts/guest-code.ts says what each field means.
type codeEnd struct {
	ExitCode         int    `json:"exit_code"`
	Reason           string `json:"reason"`
	DurationMs       int64  `json:"duration_ms"`
	StdoutTruncated  bool   `json:"stdout_truncated"`
	StderrTruncated  bool   `json:"stderr_truncated"`
	ResultsTruncated bool   `json:"results_truncated"`
	ContextRestarted bool   `json:"context_restarted"`
}

const (
	reasonInterrupted = "interrupted"

	exitInterrupted = 130
)

func endOfCode(reason string, exitCode int) codeEnd {
	switch {
	case reason == reasonTimeout:
		exitCode = exitTimedOut
	case reason == reasonInterrupted && exitCode == 0:
		// The code has caught the interrupt and ended well.
		reason = reasonExit
	}
	return codeEnd{ExitCode: exitCode, Reason: reason}
}

func endOfDriver(reason string, driver *codeDriver) codeEnd {
	switch {
	case reason == reasonTimeout:
		return codeEnd{ExitCode: exitTimedOut, Reason: reason, ContextRestarted: true}
	case reason == reasonInterrupted:
		return codeEnd{ExitCode: exitInterrupted, Reason: reason, ContextRestarted: true}
	}
	return codeEnd{ExitCode: exitCode(driver.reason, driver.status), Reason: driver.reason, ContextRestarted: true}
}
