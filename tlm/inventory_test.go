package tlm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"simone/internal/config"
	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

func node(name, address string) config.Inventory {
	return config.Inventory{Name: name, Address: address, Kind: config.KindNode, Zone: "z"}
}

func TestInventoryOfTheConfigurationIsManaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) {
			c.ILMs.Min = 2 // without load the paper's rule merges all
			for i := 2; i < 5; i++ {
				e := node(fmt.Sprintf("ilm%d", i), fmt.Sprintf("127.0.1.%d:161", i))
				e.Candidate = true
				c.Nodes = append(c.Nodes, e)
			}
			for i := 5; i < 20; i++ {
				c.Nodes = append(c.Nodes, node(fmt.Sprintf("leaf%d", i), fmt.Sprintf("127.0.2.%d:161", i)))
			}
			c.Nodes[2].Candidate = false // ilm4 could, but is not to
		})
		for i := 2; i < 5; i++ {
			w.addCandidate(fmt.Sprintf("ilm%d", i), fmt.Sprintf("127.0.1.%d:161", i), mib.NodeID(i))
		}
		for i := 5; i < 20; i++ {
			w.addLeaf(fmt.Sprintf("leaf%d", i), fmt.Sprintf("127.0.2.%d:161", i))
		}
		w.start()
		time.Sleep(40 * time.Second)

		if covered, nodes := w.Coverage(); covered != 19 || nodes != 19 {
			t.Errorf("%d of %d nodes are covered, want 19 of 19\n%s", covered, nodes, w.logs.text.String())
		}
		for i := 2; i < 20; i++ { // in the configuration's order
			n, ok := w.Conductor().Node(mib.NodeID(i))
			want := fmt.Sprintf("leaf%d", i)
			if i < 5 {
				want = fmt.Sprintf("ilm%d", i)
			}
			if !ok || n.Name != want || n.UUID != uuidOf(want) {
				t.Errorf("node %d is %q with UUID %q, want %s", i, n.Name, n.UUID, want)
			}
			if n.Candidate != (i < 4) {
				t.Errorf("node %d: candidate %v", i, n.Candidate)
			}
		}
		kids := w.Conductor().Children()
		if len(kids) != 2 || kids[0].ID != 2 || kids[1].ID != 3 || kids[0].Nodes+kids[1].Nodes != 16 {
			for _, k := range kids {
				t.Errorf("child %d owns %d nodes, ready %v, silent %v; want 2 and 3 with 16 nodes", k.ID, k.Nodes, k.Ready, k.Silent)
			}
			for _, e := range w.events() {
				t.Log(e.Seq, manager.Sentence(e.Entry))
			}
		}
		samples, err := w.Samples(7, 3)
		if err != nil || len(samples) != 3 || samples[0].Slot != samples[2].Slot+2 {
			t.Errorf("samples of node 7: %+v, %v; want three in a row", samples, err)
		}
	})
}

func TestAnnouncedNodesJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		a := w.addLeaf("a", "127.0.2.2:161")
		w.start()
		time.Sleep(time.Second)

		if w.Notified(somewhere, mib.SimoneNodeJoined, announcementOf(a)) {
			t.Error("accepted before it was on disk")
		}
		if !w.announce(a) {
			t.Fatalf("never accepted\n%s", w.logs.text.String())
		}
		first := w.mustNamed("a")
		if first.UUID != uuidOf("a") || first.Address != "127.0.2.2:161" || first.Profile != mib.ProfileSimone || first.Credential != "c" || first.Zone != "z" {
			t.Errorf("it joined as %+v", first)
		}
		if first.ID == 1 || w.kinds()[reconfig.KindJoined] != 2 {
			t.Errorf("NodeID %d, events %v", first.ID, w.kinds())
		}

		t.Log("a new name and address keep the NodeID")
		w.net.put("127.0.2.2:161", nil)
		b := w.addLeaf("b", "127.0.2.3:161")
		b.uuid = a.uuid
		w.net.put("127.0.2.3:161", w.shown(b, nil))
		if !w.announce(b) {
			t.Fatal("the node that has moved was not accepted")
		}
		if moved := w.mustNamed("b"); moved.ID != first.ID || moved.Address != "127.0.2.3:161" {
			t.Errorf("after the move it is %+v, want NodeID %d", moved, first.ID)
		}

		t.Log("and so does a restart of the TLM")
		w.restart()
		time.Sleep(time.Second)
		if again := w.mustNamed("b"); again.ID != first.ID || !w.Notified(somewhere, mib.SimoneNodeJoined, announcementOf(b)) {
			t.Errorf("after a restart it is %+v, want NodeID %d and accepted at once", again, first.ID)
		}
	})
}

func TestAnnouncementsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		do    func(w *world) *fakeNode
		alert string // "": none
		log   string
	}{
		{"a UUID at two live addresses", func(w *world) *fakeNode {
			twin := w.addLeaf("twin", "127.0.2.9:161")
			twin.uuid = uuidOf("a")
			w.net.put("127.0.2.9:161", w.shown(twin, nil))
			return twin
		}, "is at two live addresses, 127.0.2.2:161", ""},
		{"the UUID of the TLM", func(w *world) *fakeNode {
			n := w.addLeaf("x", "127.0.2.9:161")
			n.uuid = uuidOf("top")
			w.net.put("127.0.2.9:161", w.shown(n, nil))
			return n
		}, "has the UUID of this TLM", ""},
		{"another one answers there", func(w *world) *fakeNode {
			w.addLeaf("other", "127.0.2.9:161")
			return &fakeNode{name: "liar", uuid: uuidOf("liar"), zone: "z", identity: w.addLeaf("unused", "127.0.2.9:161").Identity()}
		}, "where another one answers", ""},
		{"the address of a silent known node", func(w *world) *fakeNode {
			n := w.addLeaf("thief", "127.0.2.2:161")
			w.net.put("127.0.2.2:161", nil)
			return n
		}, "which is node 2's", ""},
		{"no UUID", func(w *world) *fakeNode {
			n := w.addLeaf("x", "127.0.2.9:161")
			n.uuid = ""
			return n
		}, "", "the UUID is empty"},
		{"an address that is none", func(w *world) *fakeNode {
			return w.addLeaf("x", "0.0.0.0:161")
		}, "", "set advertise"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, nil)
				w.start()
				if a := w.addLeaf("a", "127.0.2.2:161"); !w.announce(a) {
					t.Fatal("the first node was not accepted")
				}
				before := w.mustNamed("a")
				n := tt.do(w)
				if w.announce(n) {
					t.Error("it was accepted")
				}
				if after := w.mustNamed("a"); fmt.Sprint(identityOf(after)) != fmt.Sprint(identityOf(before)) || len(w.Conductor().Nodes()) != 2 {
					t.Errorf("nodes %+v, want none but the TLM and %+v", w.Conductor().Nodes(), before)
				}
				alerts := 0
				for _, e := range w.events() {
					if e.Outcome == "refused" {
						alerts++
					}
				}
				if tt.alert != "" && (alerts != 1 || w.logs.count(tt.alert) != 1) {
					t.Errorf("%d alerts, %d of them with %q; want one\n%s", alerts, w.logs.count(tt.alert), tt.alert, w.logs.text.String())
				}
				if tt.log != "" && w.logs.count(tt.log) == 0 {
					t.Errorf("nothing with %q in the log\n%s", tt.log, w.logs.text.String())
				}
			})
		})
	}
}

// identityOf is what the inventory knows of a node.
func identityOf(n reconfig.Node) []any { return []any{n.ID, n.UUID, n.Key, n.Name, n.Address} }

func TestMalformedAnnouncements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		w.start()
		good := announcementOf(w.addLeaf("a", "127.0.2.2:161"))
		for i := range good {
			if good[i].Name.Equal(mib.Instance(mib.SimoneNodeCandidate)) || good[i].Name.Equal(mib.Instance(mib.SimoneNodeSoftware)) {
				continue // the node can do without
			}
			for name, bad := range map[string][]mib.Variable{
				"missing":    append(append([]mib.Variable(nil), good[:i]...), good[i+1:]...),
				"wrong type": append(append(append([]mib.Variable(nil), good[:i]...), mib.Variable{Name: good[i].Name, Value: mib.Integer(7)}), good[i+1:]...),
			} {
				if w.Notified(somewhere, mib.SimoneNodeJoined, bad) {
					t.Errorf("%s %s: accepted", mib.NameOf(good[i].Name), name)
				}
			}
		}
		w.Notified(somewhere, mib.SimoneNodeLeaving, nil)
		time.Sleep(10 * time.Second)
		if nodes := w.Conductor().Nodes(); len(nodes) != 1 {
			t.Errorf("nodes %+v, want the TLM alone", nodes)
		}
	})
}

func TestAnEntryAndAnAnnouncementBecomeOneNode(t *testing.T) {
	entry := node("listed", "127.0.2.2:161")
	entry.Interval = config.Duration(5 * time.Second)
	check := func(t *testing.T, w *world) {
		t.Helper()
		n := w.mustNamed("listed")
		if len(w.Conductor().Nodes()) != 2 || n.UUID != uuidOf("a") || n.Key != "listed" || n.Interval != 5*time.Second {
			t.Errorf("nodes %+v, want one that is listed, with UUID uuid-a and an interval of 5s", w.Conductor().Nodes())
		}
	}
	t.Run("the entry first, the node later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *config.TLM) { c.Nodes = []config.Inventory{entry} })
			w.start()
			time.Sleep(5 * time.Second)
			if n := w.mustNamed("listed"); n.UUID != "" {
				t.Fatalf("UUID %q of a node that is not there", n.UUID)
			}
			if !w.announce(w.addLeaf("a", "127.0.2.2:161")) {
				t.Fatal("not accepted")
			}
			check(t, w)
		})
	})
	t.Run("the entry first, the node never announces itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, func(c *config.TLM) { c.Nodes = []config.Inventory{entry} })
			w.start()
			time.Sleep(5 * time.Second)
			w.addLeaf("a", "127.0.2.2:161")
			time.Sleep(maxIdentifyWait + lookEvery)
			check(t, w)
		})
	})
	t.Run("the node first, the entry later", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, nil)
			w.start()
			if !w.announce(w.addLeaf("a", "127.0.2.2:161")) {
				t.Fatal("not accepted")
			}
			next := *w.cfg
			next.Nodes = []config.Inventory{entry}
			if err := w.Reload(&next); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
			check(t, w)
		})
	})
}

func TestAnotherMachineTakesANodesPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) { c.Nodes = []config.Inventory{node("n", "127.0.2.2:161")} })
		w.addLeaf("n", "127.0.2.2:161")
		w.start()
		time.Sleep(5 * time.Second)
		old := w.mustNamed("n")
		fresh := w.addLeaf("n", "127.0.2.2:161") // its state directory was lost
		fresh.uuid = uuidOf("fresh")
		w.net.put("127.0.2.2:161", w.shown(fresh, nil))
		if !w.announce(fresh) {
			t.Fatalf("not accepted\n%s", w.logs.text.String())
		}
		time.Sleep(10 * time.Second)
		now := w.mustNamed("n")
		if now.UUID != uuidOf("fresh") || now.ID == old.ID {
			t.Errorf("node %d with UUID %s, want a new NodeID for the new UUID", now.ID, now.UUID)
		}
		if _, still := w.Conductor().Node(old.ID); still {
			t.Errorf("node %d is still in the inventory", old.ID)
		}
	})
}

func TestAnILMThatLeavesIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) { c.ILMs.Start = 1 })
		n := w.addCandidate("ilm", "127.0.1.2:161", 2)
		w.start()
		if !w.announce(n) {
			t.Fatal("not accepted")
		}
		time.Sleep(20 * time.Second)
		if kids := w.Conductor().Children(); len(kids) != 1 || !kids[0].Ready {
			t.Fatalf("children %+v, want one that is ready", kids)
		}
		w.net.put("127.0.1.2:161", nil)
		if !w.Notified(somewhere, mib.SimoneNodeLeaving, announcementOf(n)[:2]) {
			t.Error("the farewell was not accepted")
		}
		time.Sleep(100 * time.Millisecond) // far less than it takes probes to miss
		if kids := w.Conductor().Children(); len(kids) != 1 || !kids[0].Silent {
			t.Errorf("children %+v, want it silent at once", kids)
		}
		if _, ok := w.named("ilm"); !ok {
			t.Error("it was forgotten")
		}
	})
}

// A leaf that is stopped on purpose looks it, until it is back.
func TestALeafThatLeavesHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		const address = "127.0.2.2:161"
		n := w.addLeaf("leaf", address)
		w.start()
		if !w.announce(n) {
			t.Fatal("not accepted")
		}
		id := w.mustNamed("leaf").ID
		check := func(when string, want mib.PollStatus, goodbyes int) {
			t.Helper()
			if got := w.tree.Get(mib.SimoneNameOperStatus.Append(uint32(id))); got.Int != int64(want) {
				t.Errorf("%s: status %v, want %v", when, mib.PollStatus(got.Int), want)
			}
			if got := w.kinds()[reconfig.KindLeft]; got != goodbyes {
				t.Errorf("%s: %d events of its leaving, want %d", when, got, goodbyes)
			}
		}
		leave := func() {
			w.Notified(somewhere, mib.SimoneNodeLeaving, announcementOf(n)[:2])
			w.net.put(address, nil)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(20 * time.Second)
		check("in the beginning", mib.PollUp, 0)

		leave()
		check("after its goodbye", mib.PollStopped, 1)
		leave() // the inform was repeated
		time.Sleep(20 * time.Second)
		check("later", mib.PollStopped, 1)

		w.addLeaf("leaf", address)
		time.Sleep(20 * time.Second)
		check("back by itself", mib.PollUp, 1)

		leave()
		check("after the second goodbye", mib.PollStopped, 2)
		w.addLeaf("leaf", address)
		if !w.announce(n) {
			t.Fatal("not accepted")
		}
		time.Sleep(time.Second)
		check("announced again", mib.PollUp, 2)
		w.net.put(address, nil)
		time.Sleep(20 * time.Second)
		check("fallen silent", mib.PollFailing, 2)

		if e := w.events(); !slices.ContainsFunc(e, func(e Entry) bool {
			return manager.Sentence(e.Entry) == fmt.Sprintf("left: node %d (seen: leaf says that it stops; outcome: it stays in the inventory)", id)
		}) {
			t.Errorf("events %+v", e)
		}
	})
}

// What the TLM shows of nodes that ILMs poll follows them: a silent node is no
// part of an aggregate, and of one that is gone there is nothing, whatever
// comes in late.
func TestValuesFollowTheirNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) {
			c.ILMs.Start = 1
			c.Nodes = []config.Inventory{node("a", "127.0.2.2:161"), node("b", "127.0.2.3:161")}
		})
		w.addLeaf("a", "127.0.2.2:161")
		w.addLeaf("b", "127.0.2.3:161")
		ilm := w.addCandidate("ilm", "127.0.1.2:161", 4)
		w.start()
		if !w.announce(ilm) {
			t.Fatal("not accepted")
		}
		time.Sleep(30 * time.Second)
		load := mib.SimoneAggregateCount.Append(mib.MetricNumber(mib.ProfileSimone, "load1"))
		check := func(when string, count uint64, rows ...string) {
			t.Helper()
			if got := w.tree.Get(load).Uint; got != count {
				t.Errorf("%s: %d values in the aggregate, want %d", when, got, count)
			}
			for _, name := range []string{"a", "b", "ilm"} {
				n, _ := w.named(name)
				index, ok := w.Host().MetricRows().Next(mib.OID{uint32(n.ID)})
				if has := ok && n.ID != 0 && index[0] == uint32(n.ID); has != slices.Contains(rows, name) {
					t.Errorf("%s: %s has values: %v", when, name, has)
				}
			}
		}
		a := w.mustNamed("a")
		if a.Owner == selfID {
			t.Fatal("the TLM polls a itself: this test tests nothing")
		}
		check("in the beginning", 4, "a", "b", "ilm") // and the TLM
		w.net.put("127.0.2.2:161", nil)
		time.Sleep(20 * time.Second)
		check("when a is silent", 3, "a", "b", "ilm")
		w.addLeaf("a", "127.0.2.2:161")
		time.Sleep(20 * time.Second)
		check("when a is back", 4, "a", "b", "ilm")

		if err := w.Conductor().Leave(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Second)
		w.Host().Observe(a.ID, 0, mib.Sample{Values: []mib.MetricValue{{Metric: 1, Value: 1}}})
		time.Sleep(2 * lookEvery)
		check("when a has left", 3, "b", "ilm")
		if ids := w.Host().Observed(); slices.Contains(ids, a.ID) {
			t.Errorf("there are values of %v", ids)
		}
	})
}

// A name that cannot be looked up does not hold up the others, and is not
// looked up all the time.
func TestAnEntryWithoutAnAddressBacksOff(t *testing.T) {
	e := &listed{}
	began := time.Now()
	for _, want := range []time.Duration{lookEvery, 2 * lookEvery, 4 * lookEvery} {
		e.later()
		if e.wait != want || e.tryAt.Sub(began) < want {
			t.Errorf("pause %v until %v, want %v", e.wait, e.tryAt, want)
		}
	}
	for range 10 {
		e.later()
	}
	if e.wait != maxIdentifyWait {
		t.Errorf("pause %v, want %v at most", e.wait, maxIdentifyWait)
	}
}

func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, nil)
		for i := range 3 * maxWaiting {
			w.inventory.refuse(fmt.Sprint(i), "refused %d", i)
		}
		if n := len(w.inventory.refusals); n > maxWaiting {
			t.Errorf("%d refusals are remembered, want %d at most", n, maxWaiting)
		}
	})
}

func TestFileSD(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "targets.json")
		write := func(text string) {
			t.Helper()
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * lookEvery)
		}
		w := newWorld(t, func(c *config.TLM) { c.FileSD = []string{filepath.Join(dir, "*.json")} })
		w.start()
		time.Sleep(time.Second) // so that files are written between two looks
		entry := func(name, address, more string) string {
			return fmt.Sprintf(`{"targets": [%q], "labels": {"__simone_name": %q, "__simone_kind": "device"%s}}`, address, name, more)
		}
		a, b := entry("a", "127.0.2.2:161", ""), entry("b", "127.0.2.3:161", "")

		write("[" + a + "," + b + "]")
		first := w.mustNamed("a")
		if first.Kind != mib.KindDevice || !strings.HasPrefix(first.Profile, "auto@") {
			t.Errorf("a is %+v, want a device", first)
		}
		w.mustNamed("b")

		write("[" + entry("a", "127.0.2.4:161", `, "zone": "far"`) + "," + b + "]")
		if n := w.mustNamed("a"); n.ID != first.ID || n.Address != "127.0.2.4:161" || n.Zone != "far" {
			t.Errorf("a is %+v, want the same node at 127.0.2.4:161", n)
		}

		write("[" + a + ", {") // a mistake takes nobody out
		w.mustNamed("a")
		w.mustNamed("b")
		if n := w.logs.count("cannot be used; what it said before holds"); n != 1 {
			t.Errorf("%d complaints, want one", n)
		}

		write("") // nor does a file that is being written
		w.mustNamed("a")
		w.mustNamed("b")
		if n := w.logs.count("write [] to list nobody"); n != 1 {
			t.Errorf("%d complaints about an empty file, want one", n)
		}

		write("[" + b + "]")
		if n, ok := w.named("a"); ok {
			t.Errorf("a is still there: %+v", n)
		}
		w.mustNamed("b")

		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * lookEvery)
		if n, ok := w.named("b"); ok {
			t.Errorf("b is still there: %+v", n)
		}
	})
}

func TestEntriesOfTheConfigurationWinOverFiles(t *testing.T) {
	dir := t.TempDir()
	for name, address := range map[string]string{"1.json": "127.0.2.1:161", "2.json": "127.0.2.2:161"} {
		text := fmt.Sprintf(`[{"targets": [%q], "labels": {"__simone_name": "a"}}, {"targets": [%q], "labels": {"__simone_name": "b%c"}}]`, address, address[:8]+"9:161", name[0])
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := sources{log: newLogger(t), files: make(map[string]*sourceFile)}
	c := &config.TLM{FileSD: []string{filepath.Join(dir, "*.json")}}
	if got := s.entries(c)["a"].Address; got != "127.0.2.1:161" {
		t.Errorf("a is at %s, want that of the first file", got)
	}
	c.Nodes = []config.Inventory{node("a", "127.0.2.7:161")}
	if got := s.entries(c)["a"].Address; got != "127.0.2.7:161" {
		t.Errorf("a is at %s, want that of the configuration", got)
	}
	if got := len(s.entries(c)); got != 3 {
		t.Errorf("%d entries, want 3", got)
	}
}

// Taking an entry's interval away brings the default back.
func TestAnIntervalIsTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(c *config.TLM) {
			e := node("leaf", "127.0.2.5:161")
			e.Interval = config.Duration(3 * time.Second)
			c.Nodes = append(c.Nodes, e)
		})
		w.start()
		time.Sleep(10 * time.Second)
		interval := func() time.Duration {
			for _, n := range w.Conductor().Nodes() {
				if n.Name == "leaf" {
					return n.Interval
				}
			}
			return -1
		}
		if got := interval(); got != 3*time.Second {
			t.Fatalf("interval %v, want 3s", got)
		}
		next := *w.cfg
		next.Nodes = []config.Inventory{node("leaf", "127.0.2.5:161")}
		if err := w.Reload(&next); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if got := interval(); got != 0 {
			t.Errorf("interval %v after it was taken away, want none", got)
		}
	})
}
