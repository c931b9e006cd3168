package ctl

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// dial opens a client for an agent of the test.
func dial(t *testing.T, at string) (*client, endpoint) {
	t.Helper()
	o, _, _ := surroundings(nil)
	o.timeout, o.retries = 5*time.Second, 0
	c, err := o.open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	to, err := resolve(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return c, to
}

// TestRowsAgainstOracle reads random tables, whose rows lack random cells,
// from agents with answers of any size, and holds them against what the table
// has.
func TestRowsAgainstOracle(t *testing.T) {
	columns := []mib.OID{mib.SimoneEventKind, mib.SimoneEventSeen, mib.SimoneEventOutcome, mib.SimoneEventNodes}
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			a := newAgent(t, "127.83.0.30:11161", mib.SimoneEventEntry)
			a.put(mib.SimoneIlmError, mib.Text(""))
			// From less than a row up to many.
			a.cfg.MaxBulk = 100 + random.IntN(3000)
			want := make(map[uint32]string)
			after := uint32(0)
			for range random.IntN(60) {
				index := 1 + random.Uint32N(200)
				put := []any{mib.SimoneEventKind, mib.Integer(1 + random.Int32N(28))}
				if random.IntN(3) > 0 {
					put = append(put, mib.SimoneEventSeen, mib.Text(strings.Repeat("s", random.IntN(900))))
				}
				if random.IntN(3) > 0 {
					put = append(put, mib.SimoneEventOutcome, mib.Text(strings.Repeat("o", random.IntN(40))))
				}
				if random.IntN(3) > 0 {
					put = append(put, mib.SimoneEventNodes, mib.Gauge(index))
				}
				if random.IntN(10) == 0 {
					put = put[2:] // no row without its first column
				}
				if _, there := want[index]; there || len(put) == 0 {
					continue
				}
				a.table(mib.SimoneEventEntry).put(mib.OID{index}, put...)
				want[index] = ""
				if put[0].(mib.OID).Equal(mib.SimoneEventKind) {
					want[index] = flat(put)
				}
			}
			if random.IntN(2) == 0 {
				after = random.Uint32N(200)
			}
			a.start()
			c, to := dial(t, "127.83.0.30:11161")
			rows, err := c.rows(t.Context(), to, nil, mib.OID{after}, columns...)
			if err != nil {
				t.Fatal(err)
			}
			var got, expected []string
			for _, r := range rows {
				var put []any
				for _, column := range columns {
					if v, ok := r.value(column); ok {
						put = append(put, column, v)
					}
				}
				got = append(got, fmt.Sprint(r.index, flat(put)))
			}
			for _, index := range slices.Sorted(maps.Keys(want)) {
				if index > after && want[index] != "" {
					expected = append(expected, fmt.Sprint(mib.OID{index}, want[index]))
				}
			}
			if !slices.Equal(got, expected) {
				t.Errorf("MaxBulk %d, after %d; got\n%v\nwant\n%v", a.cfg.MaxBulk, after, got, expected)
			}
		})
	}
}

func flat(put []any) string {
	var s strings.Builder
	for i := 0; i < len(put); i += 2 {
		fmt.Fprintf(&s, " %v=%v", put[i], put[i+1])
	}
	return s.String()
}

// TestNewest finds the last row of tables with gaps, of any length.
func TestNewest(t *testing.T) {
	const ends = math.MaxUint32
	for i, indexes := range [][]uint32{
		{}, {1}, {2}, {1, 2, 3}, {7, 8, 9, 100}, {1, 1000, 1001, 70000}, {5, ends}, {ends}, {ends - 1}, {1, 1 << 31, 1<<31 + 1},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			a := newAgent(t, "127.83.0.31:11161", mib.SimoneEventEntry, mib.SimoneRoundEntry)
			a.put(mib.SimoneIlmError, mib.Text(""))
			// Something follows the table.
			a.table(mib.SimoneRoundEntry).put(mib.OID{1}, mib.SimoneRoundName, mib.Text("x"))
			want := uint32(0)
			for _, index := range indexes {
				a.table(mib.SimoneEventEntry).put(mib.OID{index}, mib.SimoneEventKind, mib.Integer(1))
				want = index
			}
			a.start()
			c, to := dial(t, "127.83.0.31:11161")
			got, err := c.newest(t.Context(), to, mib.SimoneEventKind)
			if err != nil || got != want {
				t.Errorf("newest of %v: %d, %v", indexes, got, err)
			}
		})
	}
}

// circle is a broken agent's table: after every name comes the same one.
type circle struct{}

func (circle) Get(mib.OID) mib.Value { return mib.Integer(1) }
func (circle) Next(mib.OID) (mib.Variable, bool) {
	return mib.Variable{Name: mib.SimoneEventKind.Append(3), Value: mib.Integer(1)}, true
}

// TestBrokenAgent: an agent whose table goes round in a circle is found out.
// The tree behind our own responder would not let it; so the answers are made
// by hand.
func TestBrokenAgent(t *testing.T) {
	socket, err := snmp.OpenSocket(mustEndpoint(t, "127.83.0.32:11161").addr)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buffer := make([]byte, snmp.MaxMessage)
		for {
			n, d, _, err := socket.Read(buffer)
			if err != nil {
				return
			}
			var m snmp.Message
			if m.Decode(buffer[:n]) != nil {
				continue
			}
			for i := range m.Vars {
				m.Vars[i], _ = circle{}.Next(m.Vars[i].Name)
			}
			m.Verb, m.Status, m.Index = mib.VerbResponse, mib.NoError, 0
			out, err := m.Append(nil)
			if err != nil || socket.Answer(out, d) != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		<-ended
	})
	c, to := dial(t, "127.83.0.32:11161")
	if _, err := c.rows(t.Context(), to, nil, nil, mib.SimoneEventKind); err == nil || !strings.Contains(err.Error(), "not increasing") {
		t.Errorf("rows: %v", err)
	}
	if _, err := c.newest(t.Context(), to, mib.SimoneEventKind); err == nil || !strings.Contains(err.Error(), "not increasing") {
		t.Errorf("newest: %v", err)
	}
}

func mustEndpoint(t *testing.T, at string) endpoint {
	t.Helper()
	e, err := resolve(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestResolve(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"127.0.0.1:161", "127.0.0.1:161"},
		{"127.0.0.1", "127.0.0.1:1161"},
		{"[::1]:161", "[::1]:161"},
		{"[::1]", "[::1]:1161"},
		{"::1", "[::1]:1161"},
		{"[::ffff:127.0.0.9]:161", "127.0.0.9:161"},
	} {
		e, err := resolve(t.Context(), c.in)
		if err != nil || e.addr.String() != c.want {
			t.Errorf("%s: %v, %v; want %s", c.in, e.addr, err, c.want)
		}
	}
	for _, in := range []string{"", ":", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:70000", "[::1", "a:b:c"} {
		if e, err := resolve(t.Context(), in); ExitCode(err) != ExitUsage {
			t.Errorf("%q: %v, %v", in, e.addr, err)
		}
	}
}

// TestDistance holds the distance of words against its definition.
func TestDistance(t *testing.T) {
	var naive func(a, b string) int
	naive = func(a, b string) int {
		switch {
		case a == "":
			return len(b)
		case b == "":
			return len(a)
		case a[0] == b[0]:
			return naive(a[1:], b[1:])
		}
		return 1 + min(naive(a[1:], b), naive(a, b[1:]), naive(a[1:], b[1:]))
	}
	random := rand.New(rand.NewPCG(1, 2))
	word := func() string {
		b := make([]byte, random.IntN(7))
		for i := range b {
			b[i] = "abc"[random.IntN(3)]
		}
		return string(b)
	}
	for range 300 {
		a, b := word(), word()
		if got, want := distance(a, b), naive(a, b); got != want {
			t.Fatalf("%q to %q: %d, want %d", a, b, got, want)
		}
	}
}

// TestPick: a NodeID wins over a name of digits, and a name over an address.
func TestPick(t *testing.T) {
	nodes := []Node{
		{ID: 4, Name: "n4", Address: "10.0.0.4:1161"},
		{ID: 5, Name: "4", Address: "n4"},
		{ID: 6, Name: "77", Address: "10.0.0.6:1161"},
	}
	for _, c := range []struct {
		what string
		want mib.NodeID
	}{{"4", 4}, {"n4", 4}, {"77", 6}, {"10.0.0.6:1161", 6}, {"5", 5}} {
		if n, err := pick(nodes, c.what); err != nil || n.ID != c.want {
			t.Errorf("%s: %d, %v", c.what, n.ID, err)
		}
	}
	if n, err := pick(nodes, "0"); err == nil {
		t.Errorf("0: %v", n)
	}
}
