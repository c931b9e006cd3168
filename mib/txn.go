package mib

import "errors"

// TxnFuncs makes a Txn of functions; those that are nil do nothing. An error
// that is a *SetError keeps its index, others count for no single variable.
type TxnFuncs struct {
	OnCommit  func() error
	OnUndo    func() error
	OnCleanup func()
}

var _ Txn = TxnFuncs{}

// Commit calls OnCommit.
func (f TxnFuncs) Commit() *SetError { return call(f.OnCommit, CommitFailed) }

// Undo calls OnUndo.
func (f TxnFuncs) Undo() *SetError { return call(f.OnUndo, UndoFailed) }

// Cleanup calls OnCleanup.
func (f TxnFuncs) Cleanup() {
	if f.OnCleanup != nil {
		f.OnCleanup()
	}
}

func call(f func() error, status ErrorStatus) *SetError {
	if f == nil {
		return nil
	}
	return refusal(f(), status, -1)
}

// refusal turns an error into a SetError; nil stays nil. A *SetError keeps
// its status, and its index unless it has none.
func refusal(err error, status ErrorStatus, index int) *SetError {
	if err == nil {
		return nil
	}
	var e *SetError
	if !errors.As(err, &e) {
		return &SetError{Status: status, Index: index, Reason: err.Error()}
	}
	if e == nil { // a nil *SetError in an error is no error
		return nil
	}
	c := *e
	if c.Index < 0 {
		c.Index = index
	}
	return &c
}
