package main

import (
	"embed"
	"io/fs"
	"os"
	"path/filepath"
)

// interpretersDir is in memory: no cell can fill the disk it is on, and none may write to it.
const interpretersDir = "/run/atoll/interpreters"

//go:embed interpreters
var interpreterSources embed.FS

// unpackInterpreters writes the drivers to where every user can read them. It is safe to repeat.
func unpackInterpreters(directory string) error {
	return fs.WalkDir(interpreterSources, "interpreters", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		relative, err := filepath.Rel("interpreters", path)
		if err != nil {
			return err
		}
		target := filepath.Join(directory, relative)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		source, err := interpreterSources.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, source, 0o644)
	})
}
