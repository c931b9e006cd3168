package ctl

import (
	"context"
	"errors"
	"fmt"
)

// The exit codes of simonectl. They do not change between releases.
const (
	ExitOK          = 0
	ExitFailed      = 1 // an operation was refused or failed, or a check of doctor did
	ExitUsage       = 2 // the command line makes no sense, or names what is not there
	ExitUnreachable = 3 // nobody answers
)

// Failure is an error with an exit code and what to do next.
type Failure struct {
	Code int
	Err  error
	Hint string // one sentence or more; may be empty
}

// Error gives the error and, on a line of its own, the hint.
func (f *Failure) Error() string {
	if f.Hint == "" {
		return f.Err.Error()
	}
	return f.Err.Error() + "\n  " + f.Hint
}

// Unwrap gives the error behind.
func (f *Failure) Unwrap() error { return f.Err }

// usage makes a Failure of something wrong with the command line.
func usage(hint, format string, args ...any) *Failure {
	return &Failure{Code: ExitUsage, Err: fmt.Errorf(format, args...), Hint: hint}
}

// failed makes a Failure of something that did not work out.
func failed(hint, format string, args ...any) *Failure {
	return &Failure{Code: ExitFailed, Err: fmt.Errorf(format, args...), Hint: hint}
}

// ExitCode is what simonectl exits with after Main returned err.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Code
	}
	return ExitFailed
}

// brief is an error without its hint, for where it is one of several.
func brief(err error) string {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Err.Error()
	}
	return err.Error()
}

// interrupted reports whether an operator's Ctrl-C ended it.
func interrupted(ctx context.Context) bool { return errors.Is(ctx.Err(), context.Canceled) }
