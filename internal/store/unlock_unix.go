//go:build unix && !solaris && !aix

package store

import (
	"errors"
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

// lock takes the lock that bbolt would take, and does not wait for it.
func lock(f *os.File) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	failed := conn.Control(func(fd uintptr) { err = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) })
	return errors.Join(failed, err)
}
