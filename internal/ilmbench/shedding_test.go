package ilmbench

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"simone/mib"
)

// What slows a manager's process down is a file beside its store, and by how
// much: a bound of what it can do that holds on every machine.
const (
	brake  = "brake"
	slowBy = 15 * time.Millisecond
)

// slowed delays results while the brake is there.
func slowed(dir string) func() time.Duration {
	return func() time.Duration {
		if _, err := os.Stat(filepath.Join(dir, brake)); err != nil {
			return 0
		}
		return slowBy
	}
}

// A manager's process that is given half as many polls again as it has time for leaves
// some out: of devices, not of SIMONE nodes; and none when there is time again.
func TestProcessShedsWhatIsTooMuch(t *testing.T) {
	t.Parallel()
	const (
		devices  = 90 // a second, of 66 that there is time for at most
		leaves   = 9
		patience = 90 * time.Second
	)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, brake), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustBegin := func(name string, args ...string) string {
		p, line, err := begin(command(context.Background(), name, args...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := p.end(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		return line
	}
	port, err := strconv.ParseUint(mustBegin("farm"), 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	at, err := netip.ParseAddrPort(mustBegin("manager", dir))
	if err != nil {
		t.Fatal(err)
	}
	poller, err := openPoller()
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- poller.Run(running) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	p := &parent{poller: poller, at: at, leaf: func(i int) bool { return i%(devices/leaves) == 0 }}
	ctx := t.Context()
	if err := p.promote(ctx, devices, uint16(port), time.Second, time.Now()); err != nil {
		t.Fatal(err)
	}
	// until waits for what the manager's agent shows: the share in hundredths,
	// and how many polls of high and of normal priority were shed.
	until := func(what string, done func(share, high, normal uint64) bool) (high, normal uint64) {
		t.Helper()
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		end := time.Now().Add(patience)
		for {
			r, err := p.ask(ctx, mib.Request{Verb: mib.VerbGet, Vars: []mib.Variable{
				{Name: mib.Instance(mib.SimoneIlmShedShare)}, {Name: mib.Instance(mib.SimoneIlmShedHigh)}, {Name: mib.Instance(mib.SimoneIlmShedNormal)},
			}})
			if err == nil {
				share, high, normal := r.Vars[0].Value.Uint, r.Vars[1].Value.Uint, r.Vars[2].Value.Uint
				if share > 9000 {
					t.Skip("this machine has no time even for a few polls a second")
				}
				if done(share, high, normal) {
					return high, normal
				}
				if time.Now().After(end) {
					t.Fatalf("%s: share %d, %d and %d shed", what, share, high, normal)
				}
			} else if !errors.Is(err, mib.ErrTimeout) || time.Now().After(end) {
				t.Fatal(err)
			}
			<-tick.C
		}
	}
	high, normal := until("polls are shed", func(_, _, normal uint64) bool { return normal > devices })
	if high > 0 {
		t.Errorf("%d polls of SIMONE nodes are shed, %d of devices", high, normal)
	}
	if err := p.read(ctx); err != nil {
		t.Fatal(err)
	}
	if p.records == 0 {
		t.Error("nothing is polled any more")
	}
	if err := os.Remove(filepath.Join(dir, brake)); err != nil {
		t.Fatal(err)
	}
	until("there is time for all", func(share, _, _ uint64) bool { return share == 0 })
}
