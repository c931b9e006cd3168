package pollbench

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"
)

// Usage is what a process has used so far.
type Usage struct {
	CPU  time.Duration
	Own  int64 // octets in memory, without the program's file
	Peak int64 // octets in memory, with it, at most so far
}

// userHertz is the unit of times in /proc, the same on all of Linux.
const userHertz = 100

// UsageOf reads what the process of an id has used.
func UsageOf(pid int) (u Usage, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fmt.Errorf("read a process's CPU time: %w", err)
	}
	// Behind the name, which may have anything in it, utime and stime are the
	// 12th and 13th field.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	var user, system int64
	if len(fields) < 13 {
		return u, errors.New("read a process's CPU time: the system does not tell")
	}
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		return u, fmt.Errorf("read a process's CPU time: %w", err)
	}
	u.CPU = time.Duration(user+system) * time.Second / userHertz
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, fmt.Errorf("read the size in memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		var kilo int64
		switch {
		case scan(line, "RssAnon: %d kB", &kilo):
			u.Own = kilo << 10
		case scan(line, "VmHWM: %d kB", &kilo):
			u.Peak = kilo << 10
		}
	}
	return u, nil
}
