//go:build unix && !solaris && !aix

package store

import (
	"os"
	"syscall"
)

// unlock gives up the lock on a file that bbolt could not close: closing the
// descriptor is not enough while the file is mapped.
func unlock(f *os.File) {
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _ = syscall.Flock(int(fd), syscall.LOCK_UN) })
}
