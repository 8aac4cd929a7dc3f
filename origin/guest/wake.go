package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// wake is what changed while the machine was frozen.
type wake struct {
	NowMs    float64           `json:"now_ms"`
	Entropy  []byte            `json:"entropy"`
	Hostname string            `json:"hostname"`
	Env      map[string]string `json:"env"`
	Egress   *egressOrder      `json:"egress"`
}

func handleWake(response http.ResponseWriter, request *http.Request, environment *environment, table *processTable) {
	var told wake
	if !readJSON(response, request, &told) {
		return
	}
	if err := told.apply(environment, table); err != nil {
		http.Error(response, err.Error(), http.StatusInternalServerError)
		return
	}
	response.WriteHeader(http.StatusNoContent)
}

// apply is safe to repeat. Entropy goes first: two clones of one template share every random number until it is in.
func (w wake) apply(environment *environment, table *processTable) error {
	if err := reseed(w.Entropy); err != nil {
		return fmt.Errorf("entropy: %w", err)
	}
	if err := setClock(time.UnixMicro(int64(w.NowMs * 1_000))); err != nil {
		return fmt.Errorf("clock: %w", err)
	}
	if err := unix.Sethostname([]byte(w.Hostname)); err != nil {
		return fmt.Errorf("hostname: %w", err)
	}
	table.release()
	if w.Env != nil {
		environment.set(w.Env)
	}
	if w.Egress != nil {
		environment.egress.obey(*w.Egress)
	}
	return nil
}

func setClock(now time.Time) error {
	value := unix.NsecToTimeval(now.UnixNano())
	return unix.Settimeofday(&value)
}

// Of linux/random.h: _IOW('R', 0x03, int[2]) and _IO('R', 0x07).
const (
	rndAddEntropy = 0x40085203
	rndReseedCrng = 0x5207
)

// randomPoolInfo is struct rand_pool_info with room for its bytes.
type randomPoolInfo struct {
	entropyBits int32
	bufferBytes int32
	buffer      [entropyBytesMax]byte
}

// reseed puts fresh bytes into the kernel's pool and makes its generator take them up at once, not in a minute.
func reseed(entropy []byte) error {
	if len(entropy) > entropyBytesMax {
		return fmt.Errorf("%d bytes are more than %d", len(entropy), entropyBytesMax)
	}
	device, err := os.OpenFile("/dev/urandom", os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer device.Close()
	info := randomPoolInfo{entropyBits: int32(len(entropy) * 8), bufferBytes: int32(len(entropy))}
	copy(info.buffer[:], entropy)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, device.Fd(), rndAddEntropy, uintptr(unsafe.Pointer(&info))); errno != 0 {
		return errno
	}
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, device.Fd(), rndReseedCrng, 0); errno != 0 {
		return errno
	}
	return nil
}
