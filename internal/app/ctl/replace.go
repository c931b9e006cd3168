package ctl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// replaceFile writes a file by way of a temporary one beside it, so that
// nobody reads half of it, and keeps its mode and owner; a new one gets mode
// 600 and the owner of its directory. A link stays one.
func replaceFile(file, text string) error {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real
	}
	like, mode := file, fs.FileMode(0o600)
	info, err := os.Stat(file)
	switch {
	case err == nil:
		mode = info.Mode().Perm()
	case errors.Is(err, fs.ErrNotExist):
		like = filepath.Dir(file)
		if info, err = os.Stat(like); err != nil {
			return err
		}
	default:
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	if err = own(f, info); err == nil {
		if err = f.Chmod(mode); err == nil {
			if _, err = f.WriteString(text); err == nil {
				err = f.Sync()
			}
		}
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), file)
}

// backup keeps a file as it is under the next free name beside it, and gives
// that name; "" if the file is not there.
func backup(file string) (string, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	const most = 1000
	for i := range most {
		name := file + ".simone-" + strconv.Itoa(i+1)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if err = own(f, info); err == nil {
			if err = f.Chmod(info.Mode().Perm()); err == nil {
				if _, err = f.Write(text); err == nil {
					err = f.Sync()
				}
			}
		}
		return name, errors.Join(err, f.Close())
	}
	return "", fmt.Errorf("there are %d backups of it; delete some", most)
}
