package main

import (
	"net/http"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

type health struct {
	Ok           bool   `json:"ok"`
	AgentVersion string `json:"agent_version"`
	Kernel       string `json:"kernel"`
	UptimeMs     int64  `json:"uptime_ms"`
}

func handleHealth(response http.ResponseWriter, _ *http.Request) {
	writeJSON(response, http.StatusOK, health{true, version, kernelRelease(), sinceBoot().Milliseconds()})
}

func kernelRelease() string {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return "unknown"
	}
	return strings.TrimRight(string(name.Release[:]), "\x00")
}

func sinceBoot() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}
