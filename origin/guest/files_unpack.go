package main

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"net/http"

	"golang.org/x/sys/unix"
)

type unpackedFiles struct {
	Files       int   `json:"files"`
	Directories int   `json:"directories"`
	Bytes       int64 `json:"bytes"`
}

func handleUnpack(response http.ResponseWriter, request *http.Request, who user, path filePath) error {
	body := &bodyReader{from: request.Body}
	unpack := &unpacking{who: who, root: -1, path: path}
	defer unpack.close()
	if err := unpack.all(body); err != nil {
		if body.isBroken {
			return errBrokenOff
		}
		return about(path, err)
	}
	// Padding that nobody needs; a sender is let finish.
	_, _ = io.CopyN(io.Discard, body, archiveRestBytes)
	devices := newDevices()
	defer devices.close()
	if err := devices.note(unpack.root); err != nil {
		return about(path, err)
	}
	if err := devices.sync(); err != nil {
		return about(path, err)
	}
	writeJSON(response, http.StatusOK, unpack.done)
	return nil
}

// bodyReader remembers whether a body broke off: then an archive that ends too soon is nobody's mistake.
type bodyReader struct {
	from     io.Reader
	isBroken bool
}

func (b *bodyReader) Read(into []byte) (int, error) {
	count, err := b.from.Read(into)
	b.isBroken = b.isBroken || (err != nil && err != io.EOF)
	return count, err
}

// headerReader bounds what is read between the contents of two files, which is kept in memory.
type headerReader struct {
	from io.Reader
	left int
}

func (h *headerReader) Read(into []byte) (int, error) {
	if h.left == 0 {
		return 0, refuseFile("archive_invalid", "A header in the archive has more than %d bytes.", archiveHeaderBytes)
	}
	if h.left > 0 && len(into) > h.left {
		into = into[:h.left]
	}
	count, err := h.from.Read(into)
	if h.left > 0 {
		h.left -= count
	}
	return count, err
}

const unboundedBytes = -1

// unpacking makes the files of an archive below a directory. Parents are found without following any link, so nothing is ever
// written elsewhere, whatever links the archive has made, or somebody makes meanwhile.
type unpacking struct {
	who  user
	path filePath
	// The directory, open; -1 until there is something to be put into it, so that nothing is left of an archive that is refused at once.
	root    int
	done    unpackedFiles
	entries int
	closed  []closedDirectory
}

// begin makes the directory, if it is not there.
func (u *unpacking) begin() error {
	if u.root >= 0 {
		return nil
	}
	return asUser(u.who, func() (err error) {
		u.root, err = makeDirectories(u.path)
		return err
	})
}

func (u *unpacking) close() {
	if u.root >= 0 {
		_ = unix.Close(u.root)
	}
}

func (u *unpacking) all(body io.Reader) error {
	plain, err := uncompressed(body)
	if err != nil {
		return err
	}
	bounded := &headerReader{from: plain}
	archive := tar.NewReader(bounded)
	for {
		bounded.left = archiveHeaderBytes
		header, err := archive.Next()
		if err == io.EOF && u.entries > 0 {
			if err := u.begin(); err != nil {
				return err
			}
			return asUser(u.who, func() error { return closeDirectories(u.root, u.closed) })
		}
		if err != nil {
			return archiveError(err)
		}
		bounded.left = unboundedBytes
		if u.entries++; u.entries > treeEntriesMax {
			return errWalkEnds
		}
		if err := u.entry(header, archive); err != nil {
			return err
		}
	}
}

// uncompressed knows a gzip by its first two bytes.
func uncompressed(body io.Reader) (io.Reader, error) {
	ahead := bufio.NewReaderSize(body, fileChunkBytes)
	if magic, _ := ahead.Peek(2); len(magic) < 2 || magic[0] != 0x1f || magic[1] != 0x8b {
		return ahead, nil
	}
	plain, err := gzip.NewReader(ahead)
	if err != nil {
		return nil, archiveError(err)
	}
	return plain, nil
}

// archiveError is what reading an archive came to; the kernel has no part in it.
func archiveError(err error) error {
	var refused *fileRefusal
	if errors.As(err, &refused) {
		return refused
	}
	return refuseFile("archive_invalid", "The archive cannot be read: %v.", err)
}
