package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
)

const (
	authorityFile = "usr/local/share/ca-certificates/atoll-egress.crt"
	bundleFile    = "etc/ssl/certs/ca-certificates.crt"
)

// egressTrust makes the programs of the machine trust the host's authority, and forget it again. It stands where Debian looks for an
// owner's own authorities, and at the end of the bundle that Debian makes of all: `update-ca-certificates` makes the same.
type egressTrust struct {
	root  string
	isSet atomic.Bool
	// What was written last. It is part of the memory of the machine as the files are of its disk, so a clone has both.
	written string
}

func newEgressTrust(root string) *egressTrust { return &egressTrust{root: root} }

// set takes PEM, or nothing. It does nothing when that is how it is; a repeat after a failure tries again. One call at a time.
func (t *egressTrust) set(pem string) error {
	if pem == t.written {
		return nil
	}
	authority, bundle := filepath.Join(t.root, authorityFile), filepath.Join(t.root, bundleFile)
	all, err := readPlainFile(bundle)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	all = withAuthority(all, t.written, pem)
	if err := writeWhole(bundle, all); err != nil {
		return err
	}
	if pem == "" {
		err = os.Remove(authority)
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	} else {
		err = writeWhole(authority, []byte(pem))
	}
	if err != nil {
		return err
	}
	t.written = pem
	t.isSet.Store(pem != "")
	return nil
}

// withAuthority replaces one authority of a bundle by another one; either may be none.
func withAuthority(bundle []byte, before, after string) []byte {
	for _, known := range []string{before, after} {
		if known != "" {
			bundle = bytes.ReplaceAll(bundle, []byte(known), nil)
		}
	}
	if after == "" {
		return bundle
	}
	if len(bundle) > 0 && bundle[len(bundle)-1] != '\n' {
		bundle = append(bundle, '\n')
	}
	return append(bundle, after...)
}

// variables are what programs with a list of their own look at.
func (t *egressTrust) variables() map[string]string {
	if !t.isSet.Load() {
		return nil
	}
	bundle := filepath.Join(t.root, bundleFile)
	return map[string]string{
		"SSL_CERT_FILE": bundle, "CURL_CA_BUNDLE": bundle, "GIT_SSL_CAINFO": bundle, "REQUESTS_CA_BUNDLE": bundle,
		"PIP_CERT": bundle, "NODE_EXTRA_CA_CERTS": filepath.Join(t.root, authorityFile),
	}
}

// readPlainFile never waits: what root inside has put in the file's place may be a pipe that nobody writes to.
func readPlainFile(path string) ([]byte, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	about, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !about.Mode().IsRegular() || about.Size() > bundleBytesMax {
		return nil, fmt.Errorf("%s is not a list of authorities", path)
	}
	return io.ReadAll(io.LimitReader(file, bundleBytesMax))
}

// writeWhole leaves the file before or the new one, never half of either.
func writeWhole(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	unfinished := path + ".atoll"
	if err := os.Remove(unfinished); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	file, err := os.OpenFile(unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(content)
	if failed := file.Close(); err == nil {
		err = failed
	}
	if err != nil {
		_ = os.Remove(unfinished)
		return err
	}
	return os.Rename(unfinished, path)
}
