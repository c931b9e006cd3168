//go:build linux && amd64

package testbed

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"time"
)

// clock is a wall clock that one process sees, and nobody else: the kernel's
// with an offset. Go asks the vDSO for the time, a page of code that the
// kernel lends to each process. In the process under test, stopped before its
// first instruction, that code is overwritten: it asks the kernel by system
// call and adds what stands behind it. So the daemon is the one that people
// run, without a hook for tests; LD_PRELOAD, which is how others do this, does
// not reach Go programs, and time namespaces leave the wall clock alone.
//
// What the kernel stamps, datagrams and files, is by the true clock. Of that
// the daemons use only differences which they cut to what can be.
type clock struct {
	memory *os.File
	offset int64 // where the offset stands
}

// shim is what stands for clock_gettime(clock rdi, timespec *rsi): the offset
// in whole seconds stands 24 octets from its beginning.
var shim = []byte{
	0xb8, 228, 0, 0, 0, // mov eax, SYS_clock_gettime
	0x0f, 0x05, // syscall
	0x85, 0xff, // test edi, edi: CLOCK_REALTIME is 0
	0x75, 10, // jne ret
	0x48, 0x8b, 0x0d, 6, 0, 0, 0, // mov rcx, [rip+6]
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3,       // ret
	0x90, 0x90, // up to a multiple of eight
}

const shimLen = 32 // with the offset

// takeClock gives a process that is stopped before its first instruction, or
// has used no clock yet, a clock of its own.
func takeClock(pid int, ahead time.Duration) (*clock, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	var from, to int64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &from, &to); err != nil {
				return nil, fmt.Errorf("%q: %w", line, err)
			}
		}
	}
	if from == 0 {
		return nil, fmt.Errorf("process %d has no vDSO", pid)
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	c := &clock{memory: memory}
	if err := c.install(from, to, ahead); err != nil {
		_ = memory.Close()
		return nil, fmt.Errorf("vDSO of process %d: %w", pid, err)
	}
	return c, nil
}

func (c *clock) install(from, to int64, ahead time.Duration) error {
	image := make([]byte, to-from)
	if _, err := c.memory.ReadAt(image, from); err != nil {
		return err
	}
	// The shim goes to the end of the last page, where nothing is.
	at := int64(len(image)) - shimLen
	if len(bytes.Trim(image[at:], "\x00")) > 0 {
		return fmt.Errorf("there is no room at its end")
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return err
	}
	entry := int64(0)
	for _, s := range symbols {
		if s.Name == "__vdso_clock_gettime" {
			entry = int64(s.Value)
		}
	}
	if entry == 0 {
		return fmt.Errorf("it has no __vdso_clock_gettime")
	}
	c.offset = from + at + int64(len(shim))
	if err := c.set(ahead); err != nil {
		return err
	}
	if _, err := c.memory.WriteAt(shim, from+at); err != nil {
		return err
	}
	jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(at-entry-5)) // jmp to the shim
	_, err = c.memory.WriteAt(jump, from+entry)
	return err
}

// set puts the clock so far ahead of the true one, in whole seconds, at once.
func (c *clock) set(ahead time.Duration) error {
	_, err := c.memory.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(int64(ahead/time.Second))), c.offset)
	return err
}
