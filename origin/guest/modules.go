package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"golang.org/x/sys/unix"
)

const moduleDir = "/modules"

// loadModules loads what the initramfs carries, in the order of the file names, which the image gave them.
func loadModules() error {
	paths, err := filepath.Glob(moduleDir + "/*.ko")
	if err != nil {
		return err
	}
	sort.Strings(paths)
	for _, path := range paths {
		if err := loadModule(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func loadModule(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	err = unix.FinitModule(int(file.Fd()), "", 0)
	if errors.Is(err, unix.EEXIST) {
		return nil
	}
	return err
}
