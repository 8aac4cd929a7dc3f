package main

import (
	"context"
	"errors"
	"net/http"

	"golang.org/x/sys/unix"
)

func handleFileSearch(response http.ResponseWriter, request *http.Request, who user, path filePath) error {
	query := request.URL.Query()
	limit, err := numberOf(query, "limit", searchMatches, fileEntriesMax)
	if err != nil {
		return err
	}
	matches, err := newNamePattern(query.Get("pattern"))
	if err != nil {
		return err
	}
	root, err := openTree(who, path)
	if err != nil {
		return err
	}
	defer unix.Close(root)
	ctx, cancel := context.WithTimeout(request.Context(), searchWait)
	defer cancel()
	list, looks := newFileList(path, limit), 0
	sought := &walk{who: who, root: root, path: path, depthMax: searchLooksMax, unread: passOver}
	err = sought.each(ctx, func(entry walkedEntry) (int, bool, error) {
		if looks++; looks > searchLooksMax {
			return 0, false, errWalkEnds
		}
		if !matches(entry.name, entry.relative) {
			return 0, true, nil
		}
		facts, err := factsOf(who, entry, path)
		if err == nil {
			_, err = list.add(facts)
		}
		return 0, true, err
	})
	if errors.Is(err, errBrokenOff) && request.Context().Err() == nil {
		err = errWalkEnds
	}
	if err := list.cut(err); err != nil {
		return err
	}
	return list.answer(response)
}

func passOver(walkedDirectory, error) error { return nil }
