package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"golang.org/x/sys/unix"
)

// fileList is an answer that grows entry by entry and stops when it is as much as anybody reads.
type fileList struct {
	Path       string `json:"path"`
	PathBase64 string `json:"path_base64,omitempty"`
	Truncated  bool   `json:"truncated"`
	entries    [][]byte
	limit      int
	bytes      int
}

var errListFull = errors.New("the list is full")

func newFileList(path filePath, limit int) *fileList {
	return &fileList{Path: textOf(string(path)), PathBase64: base64Of(string(path)), limit: limit}
}

// add returns where the entry stands.
func (l *fileList) add(facts fileFacts) (index int, err error) {
	encoded, err := json.Marshal(facts)
	if err != nil {
		return 0, err
	}
	if len(l.entries) >= l.limit || l.bytes+len(encoded) > fileListBytesMax {
		return 0, errListFull
	}
	l.bytes += len(encoded)
	l.entries = append(l.entries, encoded)
	return len(l.entries) - 1, nil
}

// mark says of a directory in the list why it was not looked into.
func (l *fileList) mark(index int, reason string) error {
	var facts fileFacts
	if err := json.Unmarshal(l.entries[index], &facts); err != nil {
		return err
	}
	facts.Unread = reason
	encoded, err := json.Marshal(facts)
	l.entries[index] = encoded
	return err
}

// cut makes a walk that stopped on purpose one that ended.
func (l *fileList) cut(err error) error {
	if err == errListFull || err == errWalkEnds {
		l.Truncated = true
		return nil
	}
	return err
}

// answer writes the entries one by one: all of them together are in memory only once.
func (l *fileList) answer(response http.ResponseWriter) error {
	head, err := json.Marshal(l)
	if err != nil {
		return err
	}
	response.Header().Set("content-type", "application/json")
	gathered := bufio.NewWriterSize(response, fileChunkBytes)
	_, _ = gathered.Write(bytes.TrimSuffix(head, []byte("}")))
	separator := `,"entries":[`
	for _, entry := range l.entries {
		_, _ = gathered.WriteString(separator)
		_, _ = gathered.Write(entry)
		separator = ","
	}
	if len(l.entries) == 0 {
		_, _ = gathered.WriteString(separator)
	}
	_, _ = gathered.WriteString("]}")
	if gathered.Flush() != nil {
		return errBrokenOff
	}
	return nil
}

func handleFileList(response http.ResponseWriter, request *http.Request, who user, path filePath) error {
	query := request.URL.Query()
	limit, err := numberOf(query, "limit", fileEntriesMax, fileEntriesMax)
	if err != nil {
		return err
	}
	depth, err := numberOf(query, "depth", 1, fileDepthMax)
	if err != nil {
		return err
	}
	root, err := openTree(who, path)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	list := newFileList(path, limit)
	found := &walk{
		who: who, root: root, path: path, isByLevel: true, entriesMax: limit + 1, depthMax: depth,
		unread: func(directory walkedDirectory, err error) error {
			return list.mark(directory.tag, fileRefusalOf(err).Code)
		},
	}
	err = found.each(request.Context(), func(entry walkedEntry) (int, bool, error) {
		facts, err := factsOf(who, entry, path)
		if err != nil {
			return 0, false, err
		}
		index, err := list.add(facts)
		return index, true, err
	})
	if err := list.cut(err); err != nil {
		return err
	}
	return list.answer(response)
}

// factsOf needs the rights of the user only for what a link leads to.
func factsOf(who user, entry walkedEntry, root filePath) (facts fileFacts, err error) {
	full := root.below(entry.relative)
	if !isLink(entry.stat) {
		return newFacts(full, entry.stat), nil
	}
	err = asUser(who, func() error {
		facts = factsAt(entry.directory, entry.name, full, entry.stat)
		return nil
	})
	return facts, err
}

// openTree opens the directory that a request is about; a link at the end of its path is followed.
func openTree(who user, path filePath) (root int, err error) {
	err = asUser(who, func() error {
		var err error
		root, err = openAt(unix.AT_FDCWD, string(path), openPlace, 0, 0)
		return err
	})
	return root, about(path, err)
}

func numberOf(query url.Values, name string, otherwise, most int) (int, error) {
	text := query.Get(name)
	if text == "" {
		return otherwise, nil
	}
	number, err := strconv.Atoi(text)
	if err != nil || number < 1 || number > most {
		return 0, refuseFile("too_many", "%s is a number from 1 to %d.", name, most)
	}
	return number, nil
}
