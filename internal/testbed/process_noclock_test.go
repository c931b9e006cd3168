//go:build linux && !amd64

package testbed

import (
	"errors"
	"time"
)

// clock cannot be had here: nobody has written the shim for this processor.
type clock struct{}

func takeClock(int, time.Duration) (*clock, error) { return nil, errors.ErrUnsupported }

func (c *clock) set(time.Duration) error { return errors.ErrUnsupported }
