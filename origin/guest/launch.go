package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// newLaunch turns an order into what a fork needs. The streams are filled in by the caller.
func newLaunch(order command, user user, variables map[string]string) (*launch, *refusal) {
	program, refused := findProgram(order.Argv[0], variables["PATH"])
	if refused != nil {
		return nil, refused
	}
	made := &launch{user: user.id, groups: []uint32{user.id}}
	var errs [4]error
	made.program, errs[0] = syscall.BytePtrFromString(program)
	made.cwd, errs[1] = syscall.BytePtrFromString(order.Cwd)
	made.argv, errs[2] = syscall.SlicePtrFromStrings(order.Argv)
	made.env, errs[3] = syscall.SlicePtrFromStrings(asList(variables))
	for _, err := range errs {
		if err != nil {
			return nil, refuse("start_failed", order.Argv[0]+": a name or an argument has a NUL byte in it")
		}
	}
	return made, nil
}

// findProgram looks where a shell would, and takes a name with a slash as it is.
func findProgram(name, path string) (string, *refusal) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, directory := range filepath.SplitList(path) {
		candidate := filepath.Join(directory, name)
		info, err := os.Stat(candidate)
		if err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return candidate, nil
		}
	}
	return "", refuse("program_not_found", name+": command not found")
}

func asList(variables map[string]string) []string {
	list := make([]string, 0, len(variables))
	for name, value := range variables {
		list = append(list, name+"="+value)
	}
	return list
}
