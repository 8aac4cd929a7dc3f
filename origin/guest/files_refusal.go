package main

import (
	"errors"
	"fmt"
	"net/http"
	"syscall"
)

// fileRefusal is why something was not done with files. The codes are rows of shared/errors.ts.
type fileRefusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r *fileRefusal) Error() string { return r.Message }

func refuseFile(code, format string, values ...any) error {
	return &fileRefusal{code, fmt.Sprintf(format, values...)}
}

// errBrokenOff ends an answer, or a request, that cannot be whole: whoever is on the other end must not take it for the whole.
var errBrokenOff = errors.New("broken off")

// kernelRefusals say in the caller's terms what the kernel said. Whatever is not here is `file_refused`.
var kernelRefusals = map[syscall.Errno]string{
	syscall.ENOENT:       "file_not_found",
	syscall.ENOTDIR:      "not_a_directory",
	syscall.EISDIR:       "is_a_directory",
	syscall.EEXIST:       "already_exists",
	syscall.ENOTEMPTY:    "not_empty",
	syscall.EACCES:       "permission_denied",
	syscall.EPERM:        "permission_denied",
	syscall.EROFS:        "permission_denied",
	syscall.ENOSPC:       "disk_full",
	syscall.EDQUOT:       "disk_full",
	syscall.EFBIG:        "disk_full",
	syscall.ENAMETOOLONG: "invalid_path",
	syscall.ELOOP:        "invalid_path",
	syscall.EILSEQ:       "invalid_path",
	syscall.EBUSY:        "file_busy",
	syscall.ETXTBSY:      "file_busy",
	syscall.EMFILE:       "too_many",
	syscall.ENFILE:       "too_many",
	syscall.ENOMEM:       "too_many",
	syscall.ENXIO:        "not_a_file",
	syscall.ENODEV:       "not_a_file",
}

// pathError is what the kernel said about a path.
type pathError struct {
	path  filePath
	errno error
}

func (e *pathError) Error() string { return textOf(string(e.path)) + ": " + e.errno.Error() }
func (e *pathError) Unwrap() error { return e.errno }

// about names the path of an error that has none yet.
func about(path filePath, err error) error {
	var errno syscall.Errno
	var named *pathError
	if err == nil || errors.As(err, &named) || !errors.As(err, &errno) {
		return err
	}
	return &pathError{path, err}
}

func fileRefusalOf(err error) *fileRefusal {
	var refused *fileRefusal
	if errors.As(err, &refused) {
		return refused
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		if code, isKnown := kernelRefusals[errno]; isKnown {
			return &fileRefusal{code, err.Error()}
		}
	}
	return &fileRefusal{"file_refused", err.Error()}
}

// answerRefusal ends a request that failed. Once bytes of an answer are out, only breaking it off is honest.
func answerRefusal(response http.ResponseWriter, err error) {
	if errors.Is(err, errBrokenOff) {
		panic(http.ErrAbortHandler)
	}
	response.Header().Del("content-length")
	refused := fileRefusalOf(err)
	writeJSON(response, http.StatusUnprocessableEntity, fileRefusal{refused.Code, shorten(refused.Message)})
}

// shorten keeps a message within what the host reads of one: it may have a path in it that is longer.
func shorten(message string) string {
	if len(message) <= messageBytesMax {
		return message
	}
	return textOf(message[:messageBytesMax-len("...")]) + "..."
}
