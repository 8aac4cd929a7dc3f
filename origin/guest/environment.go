package main

import (
	"os"
	"sync"
)

type user struct {
	name, home string
	id         uint32
}

// users are those that the image makes (infra/image), by the names of the contract.
var users = map[string]user{
	"root":    {"root", "/root", 0},
	"sandbox": {"sandbox", "/home/sandbox", 1000},
}

const searchPath = "/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// wayOut leads programs to the proxy door. It is told of also while that is closed: then they hear why, and not that a name is unknown.
var wayOut = map[string]string{
	"http_proxy": proxyAddress, "https_proxy": proxyAddress, "HTTP_PROXY": proxyAddress, "HTTPS_PROXY": proxyAddress,
}

const (
	proxyAddress = "http://127.0.0.1:3128"
	ownAddresses = "localhost,127.0.0.1,::1,0.0.0.0"
)

// notProxied are the names under which a machine knows itself.
func notProxied() map[string]string {
	names := ownAddresses
	if hostname, err := os.Hostname(); err == nil && hostname != "" {
		names += "," + hostname
	}
	return map[string]string{"no_proxy": names, "NO_PROXY": names}
}

// environment is what every process starts with, under the environment of its own exec. The host sets it on waking, and may
// change it later. It lives here and nowhere else, so that it is part of whatever is frozen, forked and restored.
type environment struct {
	egress    *egressDoor
	mutex     sync.Mutex
	variables map[string]string
	// Those whose values are never told.
	encrypted map[string]bool
}

func newEnvironment(egress *egressDoor) *environment { return &environment{egress: egress} }

func (e *environment) set(variables map[string]string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.variables = variables
	e.encrypted = nil
}

// of returns the whole environment of one process: the user's own and the way out, under the machine's, under the command's.
func (e *environment) of(user user, command map[string]string) map[string]string {
	all := map[string]string{
		"PATH": searchPath, "HOME": user.home, "USER": user.name, "LOGNAME": user.name,
		"SHELL": "/bin/bash", "LANG": "C.UTF-8", "VIRTUAL_ENV": "/opt/venv",
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for _, layer := range []map[string]string{wayOut, notProxied(), e.egress.trust.variables(), e.egress.variables(), e.variables, command} {
		for name, value := range layer {
			all[name] = value
		}
	}
	return all
}
