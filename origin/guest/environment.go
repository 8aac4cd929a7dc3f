package main

import "sync"

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

// environment is what every process starts with, under the environment of its own exec. The host sets it on waking.
type environment struct {
	mutex     sync.Mutex
	variables map[string]string
}

func newEnvironment() *environment { return &environment{} }

func (e *environment) set(variables map[string]string) {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	e.variables = variables
}

// of returns the whole environment of one process: the user's own, under the machine's, under the command's.
func (e *environment) of(user user, command map[string]string) map[string]string {
	all := map[string]string{
		"PATH": searchPath, "HOME": user.home, "USER": user.name, "LOGNAME": user.name,
		"SHELL": "/bin/bash", "LANG": "C.UTF-8", "VIRTUAL_ENV": "/opt/venv",
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	for _, layer := range []map[string]string{e.variables, command} {
		for name, value := range layer {
			all[name] = value
		}
	}
	return all
}
