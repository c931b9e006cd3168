package agentx

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"simone/mib"
)

func number(n int32) mib.Variable {
	return mib.Variable{Name: object(1, 1, 0), Value: mib.Integer(n)}
}

// checkSteps compares what the handler went through, and what the number is.
func checkSteps(t *testing.T, x *fixture, want int64, steps ...string) {
	t.Helper()
	if got := x.plain.steps(); !slices.Equal(got, steps) {
		t.Errorf("the handler went through %v, not %v", got, steps)
	}
	if v := x.tree.Get(object(1, 1, 0)); v.Int != want {
		t.Errorf("the number is %d, not %d", v.Int, want)
	}
}

// mustBeFree checks that the tree takes another SET.
func mustBeFree(t *testing.T, x *fixture) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if txn, e := x.tree.Test([]mib.Variable{number(1)}); e == nil {
			txn.Cleanup()
		}
	}()
	select {
	case <-done:
	case <-time.After(time.Hour):
		t.Error("the tree is held by a SET that is over")
	}
	x.plain.steps()
}

// RFC 2741, section 7.2.4: the steps of a SET and what becomes of each.
func TestSetProcessing_7_2_4(t *testing.T) {
	expect := func(t *testing.T, m *master, kind Type, transaction uint32, want Code, index int, vars ...mib.Variable) {
		t.Helper()
		if code, at := m.step(kind, transaction, vars...); code != want || at != index {
			t.Errorf("%v is answered with %v at %d, not %v at %d", kind, code, at, want, index)
		}
	}
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, m *master, a *Subagent, x *fixture)
	}{
		{"TestCommitCleanup", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			checkSteps(t, x, -42, "test")
			expect(t, m, TypeCommitSet, 5, 0, 0)
			checkSteps(t, x, 7, "commit")
			m.cleanup(5)
			checkSteps(t, x, 7, "cleanup")
		}},
		{"TestCommitUndo", func(t *testing.T, m *master, a *Subagent, x *fixture) { // another subagent failed
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			expect(t, m, TypeCommitSet, 5, 0, 0)
			expect(t, m, TypeUndoSet, 5, 0, 0)
			checkSteps(t, x, -42, "test", "commit", "undo")
		}},
		{"TestCleanup", func(t *testing.T, m *master, a *Subagent, x *fixture) { // another refused in test
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			m.cleanup(5)
			checkSteps(t, x, -42, "test", "cleanup")
		}},
		{"Refused", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, Code(mib.WrongType), 2, number(7), mib.Variable{Name: object(1, 2, 0), Value: mib.Integer(1)})
			m.cleanup(5)
			checkSteps(t, x, -42, "test")
		}},
		{"NotWritable", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, Code(mib.NotWritable), 1, mib.Variable{Name: object(77), Value: mib.Integer(1)})
		}},
		{"CommitFails", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			failing := mib.Variable{Name: object(2, 14, 0), Value: mib.Integer(1)}
			expect(t, m, TypeTestSet, 5, 0, 0, number(7), failing)
			expect(t, m, TypeCommitSet, 5, Code(mib.CommitFailed), 2)
			checkSteps(t, x, 7, "test", "commit")
			expect(t, m, TypeUndoSet, 5, 0, 0) // and no CleanupSet
			checkSteps(t, x, -42, "undo")
		}},
		{"UndoFails", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			failing := mib.Variable{Name: object(2, 15, 0), Value: mib.Integer(1)}
			expect(t, m, TypeTestSet, 5, 0, 0, number(7), failing)
			expect(t, m, TypeCommitSet, 5, Code(mib.CommitFailed), 2)
			expect(t, m, TypeUndoSet, 5, Code(mib.UndoFailed), 1)
			checkSteps(t, x, -42, "test", "commit", "undo")
		}},
		{"PanicInTest", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, Code(mib.GenErr), 0, mib.Variable{Name: object(3, 1, 0), Value: mib.Integer(1)})
			m.cleanup(5)
		}},
		{"PanicInCommit", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7), mib.Variable{Name: object(3, 2, 0), Value: mib.Integer(1)})
			expect(t, m, TypeCommitSet, 5, Code(mib.GenErr), 0)
			expect(t, m, TypeUndoSet, 5, 0, 0)
			checkSteps(t, x, -42, "test", "commit", "undo")
		}},
		{"CommitOfNothing", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeCommitSet, 5, Code(mib.CommitFailed), 1)
			expect(t, m, TypeUndoSet, 5, 0, 0)
			m.cleanup(5)
			checkSteps(t, x, -42)
		}},
		{"CommitOfAnother", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			expect(t, m, TypeCommitSet, 6, Code(mib.CommitFailed), 1)
			m.cleanup(6)
			checkSteps(t, x, -42, "test")
			m.cleanup(5)
			checkSteps(t, x, -42, "cleanup")
		}},
		{"AnotherBegins", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			expect(t, m, TypeTestSet, 6, 0, 0, number(8))
			expect(t, m, TypeCommitSet, 6, 0, 0)
			m.cleanup(6)
			checkSteps(t, x, 8, "test", "cleanup", "test", "commit", "cleanup")
			if n := a.Stats().Abandoned; n != 1 {
				t.Errorf("%d abandoned", n)
			}
		}},
		{"TimesOutAfterTest", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			m.silent(DefaultSetTimeout + time.Second)
			checkSteps(t, x, -42, "test", "cleanup")
			expect(t, m, TypeCommitSet, 5, Code(mib.CommitFailed), 1)
			expect(t, m, TypeUndoSet, 5, 0, 0)
		}},
		{"TimesOutAfterCommit", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			expect(t, m, TypeCommitSet, 5, 0, 0)
			m.silent(DefaultSetTimeout + time.Second)
			checkSteps(t, x, 7, "test", "commit", "cleanup")
			expect(t, m, TypeUndoSet, 5, Code(mib.UndoFailed), 1) // it is too late
			checkSteps(t, x, 7)
		}},
		{"TimesOutAfterFailedCommit", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7), mib.Variable{Name: object(2, 14, 0), Value: mib.Integer(1)})
			expect(t, m, TypeCommitSet, 5, Code(mib.CommitFailed), 2)
			m.silent(DefaultSetTimeout + time.Second)
			checkSteps(t, x, -42, "test", "commit", "undo")
		}},
		{"EachStepHasItsTime", func(t *testing.T, m *master, a *Subagent, x *fixture) {
			expect(t, m, TypeTestSet, 5, 0, 0, number(7))
			m.silent(DefaultSetTimeout - time.Second)
			expect(t, m, TypeCommitSet, 5, 0, 0)
			m.silent(DefaultSetTimeout - time.Second)
			expect(t, m, TypeUndoSet, 5, 0, 0)
			checkSteps(t, x, -42, "test", "commit", "undo")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withMaster(t, Config{Ping: time.Hour}, func(t *testing.T, m *master, a *Subagent, x *fixture) {
				tt.run(t, m, a, x)
				mustBeFree(t, x)
			})
		})
	}
}

// What a master sends again has the same answer and is not carried out again.
func TestRepeatedSteps(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, x *fixture) {
		again := func(p PDU) {
			t.Helper()
			b := m.request(p)
			m.write(b)
			first := tidy(m.receive())
			m.write(b)
			if second := tidy(m.receive()); second.Error != first.Error || second.Index != first.Index || second.Packet != first.Packet {
				t.Errorf("got %+v and then %+v", first, second)
			}
		}
		again(PDU{Type: TypeTestSet, Transaction: 5, Vars: []mib.Variable{number(7)}})
		again(PDU{Type: TypeCommitSet, Transaction: 5})
		m.cleanup(5)
		checkSteps(t, x, 7, "test", "commit", "cleanup")
		b := m.request(PDU{Type: TypeCleanupSet, Transaction: 5})
		m.write(b)
		synctest.Wait()
		m.write(b)
		synctest.Wait()
		again(PDU{Type: TypeTestSet, Transaction: 6, Vars: []mib.Variable{{Name: object(1, 1, 0), Value: mib.Text("no")}}})
		again(PDU{Type: TypeTestSet, Transaction: 7, Vars: []mib.Variable{number(9)}})
		again(PDU{Type: TypeCommitSet, Transaction: 7})
		again(PDU{Type: TypeUndoSet, Transaction: 7})
		checkSteps(t, x, 7, "test", "test", "commit", "undo")
		if n := a.Stats().Duplicates; n != 6 {
			t.Errorf("%d duplicates", n)
		}
	})
}

// A commit that takes long is asked for again and again, and happens once.
func TestRepeatedWhileSlow(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, x *fixture) {
		m.step(TypeTestSet, 5, number(7))
		x.plain.gate, x.plain.got = make(chan struct{}), make(chan struct{}, 10)
		b := m.request(PDU{Type: TypeCommitSet, Transaction: 5})
		m.write(b)
		<-x.plain.got
		for range 4 {
			time.Sleep(time.Second) // of the bubble's time
			m.write(b)
		}
		x.plain.gate <- struct{}{}
		if r := m.receive(); r.Error != 0 || r.Packet != m.packet {
			t.Errorf("got %+v", tidy(r))
		}
		x.plain.gate = nil
		m.cleanup(5)
		checkSteps(t, x, 7, "test", "commit", "cleanup")
		m.silent(time.Second)
	})
}

// RFC 2741, section 7.1.9: when the connection is lost, what is not committed
// never happens, and what is stays.
func TestConnectionLostWithinASet(t *testing.T) {
	failing := mib.Variable{Name: object(2, 14, 0), Value: mib.Integer(1)}
	for _, tt := range []struct {
		name  string
		vars  []mib.Variable
		steps []Type
		want  int64
		went  []string
	}{
		{"AfterTest", []mib.Variable{number(7)}, []Type{TypeTestSet}, -42, []string{"test", "cleanup"}},
		{"AfterCommit", []mib.Variable{number(7)}, []Type{TypeTestSet, TypeCommitSet}, 7, []string{"test", "commit", "cleanup"}},
		{"AfterFailedCommit", []mib.Variable{number(7), failing}, []Type{TypeTestSet, TypeCommitSet}, -42, []string{"test", "commit", "undo"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, x *fixture) {
				for _, kind := range tt.steps {
					if kind == TypeTestSet {
						m.step(kind, 5, tt.vars...)
					} else {
						m.step(kind, 5)
					}
				}
				_ = m.conn.Close()
				synctest.Wait()
				checkSteps(t, x, tt.want, tt.went...)
				mustBeFree(t, x)
				// The next session is a new one: the old one's SET is unknown.
				m.establish(8, 1)
				if code, _ := m.step(TypeCommitSet, 5); code != Code(mib.CommitFailed) {
					t.Errorf("the old SET: %v", code)
				}
			})
		})
	}
}

// A CommitSet that waits behind a slow handler when the connection is lost is
// not carried out: the manager has been told that it failed.
func TestQueuedCommitIsDroppedWithTheConnection(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, x *fixture) {
		m.step(TypeTestSet, 5, number(7))
		x.plain.gate, x.plain.got = make(chan struct{}), make(chan struct{}, 10)
		m.write(m.request(get(object(1, 1, 0))))
		<-x.plain.got
		m.write(m.request(PDU{Type: TypeCommitSet, Transaction: 5}))
		synctest.Wait()
		_ = m.conn.Close()
		synctest.Wait()
		x.plain.gate <- struct{}{}
		x.plain.gate = nil
		m.establish(8, 1)
		checkSteps(t, x, -42, "test", "cleanup")
	})
}

// What handlers keep of a SET does not change with the next request.
func TestSetDoesNotAliasTheBuffer(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, _ *Subagent, x *fixture) {
		text := mib.Variable{Name: object(1, 2, 0), Value: mib.Text("kept for good")}
		m.step(TypeTestSet, 5, text)
		m.step(TypeCommitSet, 5)
		m.cleanup(5)
		for range 10 {
			m.ask(get(object(4, 10, 0), object(4, 100, 0), object(2, 1, 0)))
		}
		if v := x.tree.Get(text.Name); string(v.Bytes) != "kept for good" {
			t.Errorf("it became %q", v.Bytes)
		}
	})
}
