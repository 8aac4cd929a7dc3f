package main

import (
	"context"
	"net/http"

	"golang.org/x/sys/unix"
)

type writeManyOrder struct {
	User  string `json:"user"`
	Files []struct {
		Path    pathField `json:"path"`
		Content []byte    `json:"content"`
		Mode    string    `json:"mode"`
	} `json:"files"`
}

type writtenMany struct {
	Files []any `json:"files"`
}

// handleWriteMany tells of each file whether it was written. All that were are on the disk when it answers.
func handleWriteMany(_ context.Context, response http.ResponseWriter, order *writeManyOrder) error {
	who, err := fileUser(order.User)
	if err != nil {
		return err
	}
	if len(order.Files) > fileWritesMax {
		return refuseFile("too_many", "One request writes %d files at most.", fileWritesMax)
	}
	answer, devices := writtenMany{make([]any, 0, len(order.Files))}, newDevices()
	defer devices.close()
	for _, each := range order.Files {
		written, err := writeOne(who, each.Path, each.Mode, each.Content, devices)
		if err != nil {
			refused := fileRefusalOf(err)
			answer.Files = append(answer.Files, fileRefusal{refused.Code, shorten(refused.Message)})
			continue
		}
		answer.Files = append(answer.Files, written)
	}
	if err := devices.sync(); err != nil {
		return err
	}
	writeJSON(response, http.StatusOK, answer)
	return nil
}

func writeOne(who user, asked pathField, octal string, content []byte, devices devices) (written fileWritten, err error) {
	path, err := newFilePath(string(asked))
	if err != nil {
		return written, err
	}
	mode, err := parseMode(octal)
	if err != nil {
		return written, err
	}
	order := stageOrder{mode: mode, usual: usualFileMode}
	return writeFile(who, path, order, func(staged *stagedFile) error {
		if _, err := staged.Write(content); err != nil {
			return err
		}
		return devices.note(staged.directory)
	})
}

// devices are the file systems that a request wrote to, each by a directory in it: one sync for all files of it.
type devices map[uint64]int

func newDevices() devices { return devices{} }

func (d devices) note(directory int) error {
	var stat unix.Stat_t
	if err := unix.Fstat(directory, &stat); err != nil {
		return err
	}
	if _, isKnown := d[stat.Dev]; isKnown {
		return nil
	}
	held, err := openAt(directory, ".", openDirectory, 0, 0)
	if err == nil {
		d[stat.Dev] = held
	}
	return err
}

func (d devices) sync() error {
	for _, held := range d {
		if err := unix.Syncfs(held); err != nil {
			return err
		}
	}
	return nil
}

func (d devices) close() {
	for _, held := range d {
		_ = unix.Close(held)
	}
}
