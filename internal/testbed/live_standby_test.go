//go:build linux

package testbed

import (
	"bytes"
	"flag"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"simone/internal/app/ctl"
	"simone/mib"
)

var takeoversFlag = flag.Int("live.takeovers", 2, "how often TestLiveStandby kills the TLM that leads")

// TestLiveStandby: two TLMs share a store in etcd. The one that leads gets
// SIGKILL; the other acts at most 5 s later, which is when an ILM has a fence
// of its term. No slot of a device that an ILM polls is empty.
func TestLiveStandby(t *testing.T) {
	t.Parallel()
	const poll = time.Second
	e := StartEtcd(t)
	nodes := 6
	if *takeoversFlag > 2 { // to measure
		nodes = 12
	}
	tr := plant(t, nodes, poll, "tlm:ilms.min=2", "tlm:policy=paper")
	devices := tr.devices(t, 6)
	tr.share(t, e)
	all := tr.everybody(devices)
	tr.start()
	eventually(t, patience, "the tree forms", tr.settledUnder(all...))

	var took []time.Duration
	for range *takeoversFlag {
		old := tr.tlm()
		ilms := tr.ilms()
		before, err := tr.term(ilms)
		if err != nil || len(ilms) == 0 {
			t.Fatalf("terms of %v: %v", ilms, err)
		}
		old.kill()
		killed := time.Now()
		eventually(t, patience, "the other acts", func() string {
			now, err := tr.term(ilms)
			if err != nil {
				return err.Error()
			}
			if now == before {
				return fmt.Sprintf("the term is %d still", now)
			}
			return ""
		})
		took = append(took, time.Since(killed)-tr.pauses.since(killed))
		tr.start(old.name)
		eventually(t, patience, "the tree settles", tr.settledUnder(all...))
		if tr.tlm() == old {
			t.Fatalf("%s leads again", old.name)
		}
		eventually(t, patience, "ILMs know whose they are", func() string {
			for _, name := range tr.ilms() {
				values, err := tr.client.get(tr.members[name].address, mib.Instance(mib.SimoneNodeParent))
				if err != nil || string(values[0].Bytes) != tr.tlm().address.String() {
					return fmt.Sprintf("%s has the parent %v, error %v", name, values, err)
				}
			}
			return ""
		})
		eventually(t, patience, "who was killed stands by", func() string {
			values, err := tr.client.get(old.address, mib.Instance(mib.SimoneLeadState), mib.Instance(mib.SimoneNodeRole), mib.Instance(mib.SimoneNodeParent))
			switch {
			case err != nil:
				return err.Error()
			case mib.LeadState(values[0].Int) != mib.Standby || mib.Role(values[1].Int) != mib.RoleStandby || string(values[2].Bytes) != tr.tlm().address.String():
				return fmt.Sprint(values)
			}
			return ""
		})
	}
	slices.Sort(took)
	t.Logf("the other acts after %v", took)
	if worst := took[len(took)-1]; worst > 5*time.Second {
		t.Errorf("it took %v until the other one acted", worst)
	}
	tr.stop("tlm")
	tr.stop("tlm2")
	a := tr.audit()
	a.check(t, a.polledByTlm())
}

// other is the TLM that does not lead.
func (tr *tree) other() *member {
	return tr.members[map[string]string{"tlm": "tlm2", "tlm2": "tlm"}[tr.top]]
}

// keptTerm is the term in etcd.
func (tr *tree) keptTerm() uint32 {
	tr.tb.Helper()
	s, err := tr.openShared()
	if err != nil {
		tr.tb.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	state, err := s.Load()
	if err != nil {
		tr.tb.Fatal(err)
	}
	return state.Meta.Term
}

// TestLiveSharedStore: what can happen to two TLMs and their etcd besides the
// death of one. The tree is settled after each, and in the end no slot of a
// device that ILMs poll is empty.
func TestLiveSharedStore(t *testing.T) {
	t.Parallel()
	const poll = time.Second
	e := StartEtcd(t)
	tr := plant(t, 6, poll, "tlm:ilms.min=2", "tlm:policy=paper")
	devices := tr.devices(t, 6)
	tr.share(t, e)
	tr.expect("etcd cannot be used")
	tr.expect("the engine cannot go on")
	tr.expect("(could not be stored|not stored)")
	tr.expect("another manager leads")
	all := tr.everybody(devices)
	tr.start("tlm")
	eventually(t, patience, "the first leads", func() string { return notEmpty(tr.leader()) })
	tr.start("tlm2")
	eventually(t, patience, "the second stands by", tr.says("tlm2", mib.Standby))
	// A node that knows the standby alone: its informs are handed on.
	n7 := tr.members["n7"]
	n7.set("announce.to=" + tr.members["tlm2"].address.String())
	tr.start("n2", "n3", "n4", "n5", "n6", "n7")
	eventually(t, patience, "the tree forms", tr.settledUnder(all...))
	settled := func() {
		t.Helper()
		eventually(t, patience, "the tree settles", tr.settledUnder(all...))
	}

	if names, err := tr.names(); err != nil || names["n7"].kind == mib.KindILM {
		t.Log("n7 is an ILM: its goodbye is not looked at") // it would be given no nodes in place of them
	} else {
		eventually(t, patience, "n7 knows whose it is", func() string {
			values, err := tr.client.get(n7.address, mib.Instance(mib.SimoneNodeParent))
			if err != nil || len(values[0].Bytes) == 0 {
				return fmt.Sprint(values, err)
			}
			return ""
		})
		tr.stop("n7")
		eventually(t, patience, "its goodbye was handed on", func() string {
			names, err := tr.names()
			if err != nil || names["n7"].status != mib.PollStopped {
				return fmt.Sprint(names["n7"].status, err)
			}
			return ""
		})
		tr.start("n7")
		settled()
	}

	var out, problems bytes.Buffer
	if err := ctl.Main(t.Context(), []string{"-a", tr.other().address.String(), "tree"}, &out, &problems); err != nil || !strings.Contains(out.String(), "d1") && !strings.Contains(out.String(), "n2") {
		t.Errorf("simonectl tree at the standby: %v\n%s%s", err, &problems, &out)
	}

	// The leader stands still for longer than its lease, and wakes.
	old, ilms := tr.tlm(), tr.ilms()
	before, err := tr.term(ilms)
	if err != nil {
		t.Fatal(err)
	}
	old.signal(t, syscall.SIGSTOP)
	eventually(t, patience, "the other acts", func() string {
		if now, err := tr.term(ilms); err != nil || now == before {
			return fmt.Sprint(now, err)
		}
		return ""
	})
	tr.top = tr.other().name
	eventually(t, patience, "all ILMs have been claimed", func() string {
		kept := tr.keptTerm()
		for name, f := range tr.fences(ilms) {
			if f.Term != kept {
				return fmt.Sprintf("%s has the fence %v, the term is %d", name, f, kept)
			}
		}
		return ""
	})
	fences, kept := tr.fences(ilms), tr.keptTerm()
	old.signal(t, syscall.SIGCONT)
	eventually(t, patience, "who woke stands by", tr.says(old.name, mib.Standby))
	settled()
	if now := tr.keptTerm(); now != kept {
		t.Errorf("after the former leader woke the term in etcd is %d, was %d", now, kept)
	}
	for name, f := range tr.fences(ilms) {
		if was := fences[name]; f.Term != was.Term || f.Own != was.Own {
			t.Errorf("after the former leader woke %s has the fence %v, had %v", name, f, was)
		}
	}

	// etcd dies, and is back when the lease is long over.
	leader := tr.tlm()
	e.Kill()
	killed := time.Now()
	eventually(t, patience, "the leader is suspended", tr.says(leader.name, mib.Suspended))
	if took := time.Since(killed) - tr.pauses.since(killed); took > 4*time.Second {
		t.Errorf("it took %v until the leader was suspended", took)
	}
	if r := tr.client.set(leader.address, scalar(mib.SimoneReconfigPaused, mib.Truth(true))); r.Err == nil && r.Status == mib.NoError {
		t.Error("a leader without etcd took a wish that it cannot keep")
	}
	if names, err := tr.names(); err != nil || len(names) == 0 {
		t.Errorf("a suspended leader shows %d nodes, error %v; it is to show what it knew last", len(names), err)
	}
	if v := tr.client.must(leader.address, mib.Instance(mib.SimoneLeadTrouble)); !strings.Contains(string(v[0].Bytes), e.Endpoint) {
		t.Errorf("simoneLeadTrouble is %q, and does not name %s", v[0].Bytes, e.Endpoint)
	}
	eventually(t, patience, "devices are polled all the same", func() string {
		for _, d := range devices {
			if n := len(d.polls(killed)); n < 3 {
				return fmt.Sprintf("%s was asked %d times", d.name, n)
			}
		}
		return ""
	})
	e.Start()
	settled()

	// Both are killed at once.
	tr.members["tlm"].kill()
	tr.members["tlm2"].kill()
	tr.start("tlm2", "tlm")
	settled()

	tr.stop("tlm")
	tr.stop("tlm2")
	a := tr.audit()
	a.check(t, a.polledByTlm())
}

func notEmpty(s string) string {
	if s == "" {
		return "nobody does"
	}
	return ""
}

// says waits for what a TLM says that it is.
func (tr *tree) says(name string, want mib.LeadState) func() string {
	return func() string {
		if s := tr.leadState(name); s != want {
			return fmt.Sprintf("%s is %d, want %d", name, s, want)
		}
		return ""
	}
}

// fences are those of ILMs, by name.
func (tr *tree) fences(ilms []string) map[string]mib.Fence {
	tr.tb.Helper()
	all := make(map[string]mib.Fence)
	for _, name := range ilms {
		f, err := mib.ParseFence(tr.client.must(tr.members[name].address, mib.Instance(mib.SimoneIlmFence))[0].Bytes)
		if err != nil {
			tr.tb.Fatal(err)
		}
		all[name] = f
	}
	return all
}
