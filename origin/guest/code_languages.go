package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// codeLanguage is how the interpreter of one language is run, and told what to run.
type codeLanguage struct {
	name string
	// argv of the driver, whose file is under the folder of all of them.
	argv func(folder string) []string
	// variables beside those of every process.
	variables map[string]string
	// write makes the bytes of one call for the driver's channel.
	write func(driverCall) ([]byte, error)
}

// driverCall is one call as a driver takes it (interpreters/).
type driverCall struct {
	Code string `json:"code"`
	// Count numbers the calls of a context; it stands in tracebacks.
	Count int64 `json:"count"`
	// Env is of this call only.
	Env map[string]string `json:"env"`
	// Environment is what has changed in that of the machine since the last call; null is a variable that is gone.
	Environment map[string]*string `json:"environment"`
	// Cwd is of this call only; null is where the session stands.
	Cwd *string `json:"cwd"`
	// DrawsAnew: the process was copied since it last ran something, and shares its random numbers with its copies.
	DrawsAnew bool `json:"draws_anew"`
}

var codeLanguages = map[string]codeLanguage{
	"python": {
		name:      "python",
		argv:      func(folder string) []string { return driverArgv("python3", filepath.Join(folder, "python/main.py")) },
		variables: map[string]string{"MPLBACKEND": "agg"},
		write:     asDriverFrame,
	},
	"javascript": {
		name: "javascript",
		argv: func(folder string) []string {
			return driverArgv("node", "--expose-internals", filepath.Join(folder, "javascript/driver.mjs"))
		},
		write: asDriverFrame,
	},
	"bash": {
		name: "bash",
		argv: func(folder string) []string {
			return driverArgv("bash", "--norc", "--noprofile", filepath.Join(folder, "bash/driver.sh"))
		},
		write: asShellText,
	},
}

// driverArgv puts the channel, with which the process begins as its stdin, on descriptor 3, and nothing on stdin.
func driverArgv(argv ...string) []string {
	return append([]string{"/bin/sh", "-c", `exec "$0" "$@" 3<&0 </dev/null`}, argv...)
}

func asDriverFrame(call driverCall) ([]byte, error) {
	body, err := json.Marshal(call)
	if err != nil {
		return nil, err
	}
	return encodeFrame(driverCallKind, body), nil
}

// asShellText says a call in bash's own words, up to a NUL, because bash reads nothing else. What is of this call only is put
// before an `eval`, as variables of one command are.
func asShellText(call driverCall) ([]byte, error) {
	var text strings.Builder
	for name, value := range call.Environment {
		if value == nil {
			text.WriteString("unset -v " + name + "\n")
		} else {
			text.WriteString("export " + name + "=" + shellQuoted(*value) + "\n")
		}
	}
	if call.Cwd != nil {
		text.WriteString("__atoll_folder=$PWD; cd -- " + shellQuoted(*call.Cwd) + " || return\n")
	}
	if len(call.Env) == 0 {
		text.WriteString(call.Code)
	} else {
		for name, value := range call.Env {
			text.WriteString(name + "=" + shellQuoted(value) + " ")
		}
		text.WriteString("eval " + shellQuoted(call.Code))
	}
	return append([]byte(text.String()), 0), nil
}

func shellQuoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }
