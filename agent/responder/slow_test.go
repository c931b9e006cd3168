package responder

import (
	"context"
	"errors"
	"testing"

	"simone/mib"
)

// slowDisk is a Setter whose commits wait until they are let go.
type slowDisk struct {
	*shelf
	begun, goOn chan struct{}
}

func (s *slowDisk) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	return mib.TxnFuncs{OnCommit: func() error {
		s.begun <- struct{}{}
		<-s.goOn
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, v := range vars {
			s.written[v.Name.String()] = v.Value
		}
		return nil
	}}, nil
}

// An agent whose disk is slow is not silent: what is read while a SET is
// being stored is answered, with what was true before; SETs are done in their
// order, and who has the answer to one reads what it has set.
func TestReadingDoesNotWaitForASet(t *testing.T) {
	for _, version := range []string{"community", "v3"} {
		t.Run(version, func(t *testing.T) {
			disk := &slowDisk{
				shelf: &shelf{vars: []mib.Variable{{Name: object(7, 1, 0), Value: mib.Integer(0)}}, written: make(map[string]mib.Value)},
				begun: make(chan struct{}), goOn: make(chan struct{}),
			}
			tree := newTree(t)
			if err := tree.Register(object(7), disk); err != nil {
				t.Fatal(err)
			}
			cfg, reader, writer := testConfig(), "monitor", "manager"
			if version == "v3" {
				cfg = v3Config(t)
				reader, writer = "manager", "manager"
			}
			r, err := New(cfg, tree)
			if err != nil {
				t.Fatal(err)
			}
			run(t, r.Run)
			p := startPoller(t, "")
			if version == "v3" {
				p = startPollerV3(t, cfg)
			}
			read := func() int64 {
				t.Helper()
				req := request(reader, mib.VerbGet, object(7, 1, 0))
				req.Address = r.Addr()
				answer := p.Do(t.Context(), req)
				if answer.Err != nil || answer.Status != mib.NoError {
					t.Fatal(answer.Err, answer.Status)
				}
				return answer.Vars[0].Value.Int
			}
			write := func(n int32) chan mib.Response {
				done := make(chan mib.Response, 1)
				p.Start(mib.Request{
					Address: r.Addr(), Credential: writer, Verb: mib.VerbSet, Timeout: patience,
					Vars: []mib.Variable{{Name: object(7, 1, 0), Value: mib.Integer(n)}},
				}, func(a mib.Response) { done <- a })
				return done
			}
			read() // with v3, finds the engine
			first := write(1)
			await(t, disk.begun)
			second := write(2)
			for range 3 {
				if n := read(); n != 0 {
					t.Errorf("it reads %d before the SET is done", n)
				}
			}
			disk.goOn <- struct{}{}
			if a := <-first; a.Err != nil || a.Status != mib.NoError {
				t.Fatal(a.Err, a.Status)
			}
			await(t, disk.begun)
			if n := read(); n != 1 {
				t.Errorf("it reads %d after the first SET is answered", n)
			}
			disk.goOn <- struct{}{}
			if a := <-second; a.Err != nil || a.Status != mib.NoError {
				t.Fatal(a.Err, a.Status)
			}
			if n := read(); n != 2 {
				t.Errorf("it reads %d after the second SET is answered", n)
			}
		})
	}
}

func await(t *testing.T, c chan struct{}) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-c:
	case <-ctx.Done():
		t.Fatal(errors.New("nothing happened"))
	}
}
