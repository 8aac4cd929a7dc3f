package main

import (
	"context"
	"net/http"

	"golang.org/x/sys/unix"
)

type mkdirOrder struct {
	Path    pathField `json:"path"`
	User    string    `json:"user"`
	Mode    string    `json:"mode"`
	Parents *bool     `json:"parents"`
}

func handleMkdir(_ context.Context, response http.ResponseWriter, order *mkdirOrder) error {
	who, path, err := whoAndPath(order.User, order.Path)
	if err != nil {
		return err
	}
	mode, err := parseMode(order.Mode)
	if err != nil {
		return err
	}
	var written fileWritten
	err = asUser(who, func() error {
		written.Created, err = makeDirectory(path, order.Parents == nil || *order.Parents, mode)
		return err
	})
	if err != nil {
		return about(path, err)
	}
	if written.File, err = lookAt(who, path, true); err != nil {
		return err
	}
	writeJSON(response, http.StatusOK, written)
	return nil
}

// makeDirectory is content with one that is there if it makes parents too. With the rights of the user.
func makeDirectory(path filePath, makesParents bool, mode *uint32) (created bool, err error) {
	var parent int
	if makesParents {
		parent, err = makeDirectories(path.parent())
	} else {
		parent, err = openAt(unix.AT_FDCWD, string(path.parent()), openPlace, 0, 0)
	}
	if err != nil {
		return false, err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, path.name(), usualDirectoryMode); err == unix.EEXIST && makesParents {
		place, err := openAt(parent, path.name(), openPlace, 0, 0)
		if err == nil {
			_ = unix.Close(place)
		}
		return false, err
	} else if err != nil {
		return false, err
	}
	if mode != nil {
		return true, unix.Fchmodat(parent, path.name(), *mode, 0)
	}
	return true, nil
}

type chmodOrder struct {
	Path pathField `json:"path"`
	User string    `json:"user"`
	Mode string    `json:"mode"`
}

func handleChmod(_ context.Context, response http.ResponseWriter, order *chmodOrder) error {
	who, path, err := whoAndPath(order.User, order.Path)
	if err != nil {
		return err
	}
	mode, err := parseMode(order.Mode)
	if err != nil {
		return err
	}
	if mode == nil {
		return refuseFile("file_refused", "A mode is needed.")
	}
	err = asUser(who, func() error {
		directory, name, err := openParent(path)
		if err != nil {
			return err
		}
		defer unix.Close(directory)
		return unix.Fchmodat(directory, name, *mode, 0)
	})
	return answerFacts(response, who, path, true, about(path, err))
}

// answerFacts ends a request that changed something: with what is there now, unless it failed.
func answerFacts(response http.ResponseWriter, who user, path filePath, follows bool, err error) error {
	if err != nil {
		return err
	}
	facts, err := lookAt(who, path, follows)
	if err != nil {
		return err
	}
	writeJSON(response, http.StatusOK, facts)
	return nil
}

func whoAndPath(name string, asked pathField) (who user, path filePath, err error) {
	if who, err = fileUser(name); err != nil {
		return who, "", err
	}
	path, err = newFilePath(string(asked))
	return who, path, err
}

// fileUser is the user of the sandbox unless another one is named.
func fileUser(name string) (user, error) {
	if name == "" {
		name = "sandbox"
	}
	who, isKnown := users[name]
	if !isKnown {
		return who, refuseFile("file_refused", "There is no user %q.", name)
	}
	return who, nil
}
