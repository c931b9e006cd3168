package agentx

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"simone/mib"
)

// mustNumber reads object(1, 1, 0) through the snmpd; false if nobody answers
// for it.
func mustNumber(tb testing.TB, c *gosnmp.GoSNMP) (int, bool) {
	tb.Helper()
	p, err := c.Get([]string{object(1, 1, 0).String()})
	if err != nil {
		tb.Fatal(err)
	}
	n, ok := p.Variables[0].Value.(int)
	return n, ok
}

func withNumber(tb testing.TB, n int32) *fixture {
	tb.Helper()
	x := newFixture(tb, 0)
	x.plain.put(number(n))
	return x
}

// The snmpd is killed and comes back, over each kind of socket.
func TestSNMPdRestarts(t *testing.T) {
	for _, kind := range []string{"unix", "tcp"} {
		t.Run(kind, func(t *testing.T) {
			var more []string
			var tcp string
			if kind == "tcp" {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				tcp = "tcp:" + l.Addr().String()
				_ = l.Close()
				more = append(more, "agentXSocket "+tcp)
			}
			d := startSNMPd(t, more...)
			master := d.master()
			if kind == "tcp" {
				master = tcp
			}
			log, said := logger()
			a, stop := start(t, Config{Master: master, Logger: log}, withNumber(t, 5).tree)
			connected(t, a)
			for range 3 {
				d.kill()
				until(t, "the session is lost", func() bool { return !a.State().Connected })
				d.start()
				began := time.Now()
				connected(t, a)
				// Generous beside maxPause: the machine may be busy.
				if took := time.Since(began); took > 2*time.Second {
					t.Errorf("recovered %v after the snmpd was back", took)
				}
				if n, ok := mustNumber(t, d.client(t, "public")); !ok || n != 5 {
					t.Errorf("got %d, %v", n, ok)
				}
			}
			stop()
			if n, ok := mustNumber(t, d.client(t, "public")); ok {
				t.Errorf("got %d from a subagent that is gone", n)
			}
			if s := a.Stats(); s.Connects != 4 || s.Losses != 3 {
				t.Errorf("%+v", s)
			}
			if n := strings.Count(said.String(), "msg=\"session with the snmpd lost\""); n != 3 {
				t.Errorf("the log says\n%s", said)
			}
		})
	}
}

// The subagent starts before its snmpd, and says what may be wrong.
func TestSNMPdComesLater(t *testing.T) {
	d := startSNMPd(t)
	d.kill()
	a, _ := start(t, Config{Master: "unix:" + filepath.Join(d.dir, "nothing")}, mib.NewTree())
	until(t, "an attempt", func() bool { return a.State().Err != nil })
	if err := a.State().Err.Error(); !strings.Contains(err, "is snmpd running, and does snmpd.conf have \"master agentx\"") {
		t.Error(err)
	}
	late, _ := start(t, Config{Master: d.master()}, withNumber(t, 5).tree)
	until(t, "an attempt", func() bool { return late.State().Err != nil })
	d.start()
	connected(t, late)
}

// Two sessions with one snmpd: the lower priority answers, the other takes
// over, and the same priority is refused with a remedy.
func TestSNMPdPriorities(t *testing.T) {
	d := startSNMPd(t)
	first, stopFirst := start(t, Config{Master: d.master(), Priority: 10}, withNumber(t, 1).tree)
	connected(t, first)
	second, _ := start(t, Config{Master: d.master(), Priority: 20}, withNumber(t, 2).tree)
	connected(t, second)
	c := d.client(t, "public")
	if n, ok := mustNumber(t, c); !ok || n != 1 {
		t.Errorf("priority 10 does not answer: %d, %v", n, ok)
	}

	log, said := logger()
	third, stopThird := start(t, Config{Master: d.master(), Priority: 10, Logger: log}, withNumber(t, 3).tree)
	until(t, "a refusal", func() bool { return third.State().Err != nil })
	if err := third.State().Err.Error(); !strings.Contains(err, "duplicateRegistration (263): another subagent has this subtree at the same priority") {
		t.Error(err)
	}
	stopThird()
	if n := strings.Count(said.String(), "\n"); n != 1 {
		t.Errorf("the log says\n%s", said)
	}

	stopFirst()
	if n, ok := mustNumber(t, c); !ok || n != 2 {
		t.Errorf("priority 20 did not take over: %d, %v", n, ok)
	}
	other, _ := start(t, Config{Master: d.master(), Priority: 10}, withNumber(t, 4).tree)
	connected(t, other)
	if n, ok := mustNumber(t, c); !ok || n != 4 {
		t.Errorf("priority 10 did not take over: %d, %v", n, ok)
	}
}

// Two subagents with a subtree each are one SET to a manager: both or none.
func TestSNMPdSetOverTwoSubagents(t *testing.T) {
	d := startSNMPd(t)
	x, y := newFixture(t, 0), newFixture(t, 0)
	a, _ := start(t, Config{Master: d.master(), Subtrees: []mib.OID{object(1)}}, x.tree)
	b, _ := start(t, Config{Master: d.master(), Subtrees: []mib.OID{object(2)}}, y.tree)
	connected(t, a)
	connected(t, b)
	c := d.client(t, "private")
	for _, tt := range []struct {
		status mib.ErrorStatus
		steps  string
	}{
		{mib.WrongValue, "test cleanup"},
		{mib.CommitFailed, "test commit undo"},
	} {
		t.Run(tt.status.String(), func(t *testing.T) {
			before := a.Stats()
			resp, err := c.Set([]gosnmp.SnmpPDU{
				{Name: number(7).Name.String(), Type: gosnmp.Integer, Value: 7},
				{Name: object(2, uint32(tt.status), 0).String(), Type: gosnmp.Integer, Value: 1}})
			if err != nil || int(resp.Error) != int(tt.status) || resp.ErrorIndex != 2 {
				t.Errorf("%v %v", err, resp)
			}
			until(t, "the SET ends", func() bool {
				s := a.Stats()
				return s.InCleanupSets+s.InUndoSets > before.InCleanupSets+before.InUndoSets
			})
			mustEnd := strings.Fields(tt.steps)
			until(t, tt.steps, func() bool { x.plain.mu.Lock(); defer x.plain.mu.Unlock(); return len(x.plain.log) >= len(mustEnd) })
			checkSteps(t, x, -42, mustEnd...)
		})
	}
}

// Contexts through an snmpd: a community stands for each.
func TestSNMPdContext(t *testing.T) {
	d := startSNMPd(t,
		"com2sec -Cn red redsec 127.0.0.1 red",
		"group redgroup v2c redsec",
		"view everything included .1",
		`access redgroup red v2c noauth exact everything everything none`)
	red, _ := start(t, Config{Master: d.master(), Contexts: []string{"red"}}, withNumber(t, 1).tree)
	connected(t, red)
	plain, _ := start(t, Config{Master: d.master()}, withNumber(t, 2).tree)
	connected(t, plain)
	for community, want := range map[string]int{"red": 1, "public": 2} {
		if n, ok := mustNumber(t, d.client(t, community)); !ok || n != want {
			t.Errorf("%s gets %d, %v", community, n, ok)
		}
	}
	if n := red.Stats().BadContexts + plain.Stats().BadContexts; n != 0 {
		t.Errorf("%d bad contexts", n)
	}
}

// The MIB that is served stands in the snmpd's sysORTable.
func TestSNMPdCapabilities(t *testing.T) {
	d := startSNMPd(t)
	a, _ := start(t, Config{Master: d.master(), Capabilities: Capabilities{ID: mib.SimoneMIB, Descr: "SIMONE"}}, mib.NewTree())
	connected(t, a)
	all, err := d.client(t, "public").BulkWalkAll("1.3.6.1.2.1.1.9.1.2") // sysORID
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all {
		if v.Value == mib.SimoneMIB.String() {
			return
		}
	}
	t.Errorf("not among %v", all)
}

// Notify comes out of the snmpd as its configuration says: as a trap and as
// an inform.
func TestSNMPdNotify(t *testing.T) {
	listener := gosnmp.NewTrapListener()
	listener.Params = &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: "join"}
	type notification struct {
		kind gosnmp.PDUType
		vars []gosnmp.SnmpPDU
	}
	got := make(chan notification, 10)
	listener.OnNewTrap = func(p *gosnmp.SnmpPacket, _ *net.UDPAddr) {
		got <- notification{p.PDUType, slices.Clone(p.Variables)} // p becomes the answer to an inform
	}
	addr := freePort(t)
	failed := make(chan error, 1)
	go func() { failed <- listener.Listen(addr.String()) }()
	defer func() { listener.Close(); <-failed }()
	<-listener.Listening()
	d := startSNMPd(t, "trap2sink "+addr.String()+" join", "informsink "+addr.String()+" join")
	a, _ := start(t, Config{Master: d.master()}, mib.NewTree())
	connected(t, a)
	trap := mib.SimoneMIB.Append(0, 1)
	if err := a.Notify(t.Context(), trap, []mib.Variable{{Name: object(1, 2, 0), Value: mib.Text("n1")}}); err != nil {
		t.Fatal(err)
	}
	seen := make(map[gosnmp.PDUType]bool)
	deadline := time.After(patience)
	for len(seen) < 2 {
		select {
		case p := <-got:
			// The snmpd has a notification of its own when it starts.
			if len(p.vars) != 3 || p.vars[1].Value != trap.String() {
				continue
			}
			if string(p.vars[2].Value.([]byte)) != "n1" {
				t.Errorf("got %v", p.vars)
			}
			seen[p.kind] = true
		case <-deadline:
			t.Fatalf("got only %v", seen)
		}
	}
	if !seen[gosnmp.SNMPv2Trap] || !seen[gosnmp.InformRequest] {
		t.Errorf("got %v", seen)
	}
}

// What a busy node has through its snmpd: several managers at once.
func TestSNMPdManyManagers(t *testing.T) {
	d := startSNMPd(t)
	x := newFixture(t, 50)
	a, _ := start(t, Config{Master: d.master()}, x.tree)
	connected(t, a)
	done := make(chan error)
	const managers = 8
	for i := range managers {
		c := d.client(t, "private")
		go func() {
			done <- func() error {
				for round := range 5 {
					all, err := c.BulkWalkAll(object(5).String())
					if err != nil || len(all) < 200 {
						return fmt.Errorf("walk: %d variables, %w", len(all), err)
					}
					row := uint32(1000 + i)
					resp, err := c.Set([]gosnmp.SnmpPDU{
						{Name: cell(1, row).String(), Type: gosnmp.Integer, Value: round},
						{Name: cell(2, row).String(), Type: gosnmp.OctetString, Value: "x"}})
					if err != nil || resp.Error != gosnmp.NoError {
						return fmt.Errorf("set: %v, %w", resp, err)
					}
				}
				return nil
			}()
		}()
	}
	for range managers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if s := a.Stats(); x.rows.len() != 50+managers || s.Abandoned+s.Losses+s.Overflows+s.Panics != 0 {
		t.Errorf("%d rows, %+v", x.rows.len(), s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := a.Notify(ctx, mib.SimoneMIB.Append(0, 1), nil); err != nil {
		t.Error(err)
	}
}
