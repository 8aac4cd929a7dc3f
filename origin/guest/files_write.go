package main

import (
	"io"
	"net/http"
	"net/url"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

type fileWritten struct {
	Created bool      `json:"created"`
	File    fileFacts `json:"file"`
}

func handleFileWrite(response http.ResponseWriter, request *http.Request, who user, path filePath) error {
	mode, err := modeOfQuery(request.URL.Query())
	if err != nil {
		return err
	}
	order := stageOrder{mode: mode, usual: usualFileMode, bytes: request.ContentLength}
	written, err := writeFile(who, path, order, func(staged *stagedFile) error {
		if err := takeBody(staged, request.Body); err != nil {
			return err
		}
		return unix.Fsync(staged.file)
	})
	if err != nil {
		return err
	}
	writeJSON(response, http.StatusOK, written)
	return nil
}

// writeFile makes a file of what is filled in: it appears whole, or not at all.
func writeFile(who user, path filePath, order stageOrder, fill func(*stagedFile) error) (written fileWritten, err error) {
	var staged *stagedFile
	err = asUser(who, func() (err error) {
		staged, err = stagePath(who, path, order)
		return err
	})
	if err != nil {
		return written, about(path, err)
	}
	defer staged.drop()
	if err := fill(staged); err != nil {
		return written, about(path, err)
	}
	var stat unix.Stat_t
	err = asUser(who, func() error {
		if err := staged.publish(order.keepsOther); err != nil {
			return err
		}
		return unix.Fstat(staged.file, &stat)
	})
	return fileWritten{!staged.replaces, newFacts(path, stat)}, about(path, err)
}

// takeBody copies what is sent. A sender who breaks off is nobody to answer.
func takeBody(into *stagedFile, body io.Reader) error {
	chunk := fileChunks.Get().(*[fileChunkBytes]byte)
	defer fileChunks.Put(chunk)
	for {
		count, err := body.Read(chunk[:])
		if count > 0 {
			if _, failed := into.Write(chunk[:count]); failed != nil {
				return failed
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return errBrokenOff
		}
	}
}

func modeOfQuery(query url.Values) (*uint32, error) { return parseMode(query.Get("mode")) }

// parseMode reads permissions in octal; none is nil.
func parseMode(octal string) (*uint32, error) {
	if octal == "" {
		return nil, nil
	}
	parsed, err := strconv.ParseUint(octal, 8, 32)
	if err != nil || parsed > permissions {
		return nil, refuseFile("file_refused", "%q is not a mode in octal.", octal)
	}
	mode := uint32(parsed)
	return &mode, nil
}

// makeDirectories opens a directory that is made, with its parents, if it is not there. With the rights of the user.
func makeDirectories(path filePath) (directory int, err error) {
	directory, err = openAt(unix.AT_FDCWD, string(path), openPlace, 0, 0)
	if !isMissing(err) || path == "/" {
		return directory, about(path, err)
	}
	parent, err := makeDirectories(path.parent())
	if err != nil {
		return -1, err
	}
	defer unix.Close(parent)
	if err := unix.Mkdirat(parent, path.name(), usualDirectoryMode); err != nil && err != syscall.EEXIST {
		return -1, about(path, err)
	}
	directory, err = openAt(parent, path.name(), openPlace, 0, 0)
	return directory, about(path, err)
}
