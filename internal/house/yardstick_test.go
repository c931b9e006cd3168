package house

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"simone/internal/snmp"
	"simone/mib"
)

// agentEnv makes the test binary an agent, so that a client's CPU time has
// none of the agent's in it.
const agentEnv = "SIMONE_YARDSTICK_AGENT"

// outstanding is how many requests each client has on their way.
const outstanding = 64

// BenchmarkYardstick asks one agent for ten variables in three ways: by a bare
// exchange of datagrams, which is the floor; by the project's poller; and by
// gosnmp used the usual way, a connection for each of 64 workers. What counts
// is cpu-ns/op, the client's CPU time, and of that the ratios that make bench
// prints: absolute times are the machine's.
func BenchmarkYardstick(b *testing.B) {
	agent := startAgent(b)
	request, names := tenVariables(b)
	b.Run("get10/udp", func(b *testing.B) { timed(b, func() { askBare(b, agent, request) }) })
	b.Run("get10/simone", func(b *testing.B) {
		p := startPoller(b)
		timed(b, func() { askPoller(b, p, agent, names) })
	})
	b.Run("get10/gosnmp", func(b *testing.B) {
		clients := connect(b, agent)
		timed(b, func() { askGosnmp(b, clients, names) })
	})
}

// timed reports the CPU time of ask, which makes b.N requests.
func timed(b *testing.B, ask func()) {
	b.Helper()
	b.ReportAllocs()
	b.ResetTimer()
	before := cpu(b)
	ask()
	b.ReportMetric(float64(cpu(b)-before)/float64(b.N), "cpu-ns/op")
}

// cpu is the CPU time that this process has used.
func cpu(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func tenVariables(tb testing.TB) (request []byte, names []mib.OID) {
	tb.Helper()
	m := snmp.Message{Version: snmp.V2c, Community: []byte("public"), PDU: snmp.PDU{Verb: mib.VerbGet, RequestID: 1}}
	for i := range uint32(10) {
		names = append(names, mib.SimoneMetricValue.Append(0, 1_000_000_000+i, 0))
		m.Vars = append(m.Vars, mib.Variable{Name: names[i], Value: mib.Value{Type: mib.TypeNull}})
	}
	request, err := m.Append(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return request, names
}

// startAgent runs this test binary as an agent until the benchmark is done.
func startAgent(tb testing.TB) netip.AddrPort {
	tb.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestYardstickAgent$")
	cmd.Env = append(os.Environ(), agentEnv+"=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = stdin.Close() // which ends it
		_, _ = io.Copy(io.Discard, stdout)
		if err := cmd.Wait(); err != nil {
			tb.Errorf("the agent: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		tb.Fatal(err)
	}
	addr, err := netip.ParseAddrPort(strings.TrimSpace(line))
	if err != nil {
		tb.Fatal(err)
	}
	return addr
}

// TestYardstickAgent is the agent of BenchmarkYardstick: it answers every GET
// with the variables asked for and always the same value.
func TestYardstickAgent(t *testing.T) {
	if os.Getenv(agentEnv) == "" {
		t.Skip("this is the other process of BenchmarkYardstick")
	}
	s, err := snmp.OpenSocket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	fmt.Println(s.Addr())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	var m snmp.Message
	var out []byte
	err = s.Serve(ctx, func(datagram []byte, d snmp.Datagram, _ bool) {
		if err := m.Decode(datagram); err != nil {
			t.Error(err)
			return
		}
		m.Verb = mib.VerbResponse
		for i := range m.Vars {
			m.Vars[i].Value = mib.Text("3.14159")
		}
		var err error
		if out, err = m.Append(out[:0]); err == nil {
			err = s.Write(out, d.Source)
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// askBare keeps the window full from one goroutine and reads in another.
func askBare(b *testing.B, agent netip.AddrPort, request []byte) {
	s, err := snmp.OpenSocket(netip.MustParseAddrPort("127.0.0.1:0"))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	window := make(chan bool, outstanding)
	var reader sync.WaitGroup
	reader.Go(func() {
		buffer := make([]byte, 2048)
		for range b.N {
			_ = s.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, _, _, err := s.Read(buffer); err != nil {
				b.Error(err)
			}
			<-window
		}
	})
	for range b.N {
		window <- true
		if err := s.Write(request, agent); err != nil {
			b.Error(err)
		}
	}
	reader.Wait()
}

func startPoller(tb testing.TB) *snmp.Poller {
	tb.Helper()
	keys, err := snmp.NewKeyring(snmp.Credential{Name: "tree", Version: snmp.V2c, Community: "public"})
	if err != nil {
		tb.Fatal(err)
	}
	p, err := snmp.NewPoller(snmp.PollerConfig{LocalAddress: netip.MustParseAddr("127.0.0.1")}, keys)
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			tb.Error(err)
		}
	})
	return p
}

func askPoller(b *testing.B, p *snmp.Poller, agent netip.AddrPort, names []mib.OID) {
	req := mib.Request{Address: agent, Credential: "tree", Verb: mib.VerbGet, Timeout: 10 * time.Second}
	for _, n := range names {
		req.Vars = append(req.Vars, mib.Variable{Name: n})
	}
	window := make(chan bool, outstanding)
	done := func(r mib.Response) {
		if r.Err != nil || len(r.Vars) != len(names) {
			b.Errorf("%d variables, error %v", len(r.Vars), r.Err)
		}
		<-window
	}
	for range b.N {
		window <- true
		p.Start(req, done)
	}
	for range outstanding {
		window <- true
	}
}

func connect(tb testing.TB, agent netip.AddrPort) (clients []*gosnmp.GoSNMP) {
	tb.Helper()
	for range outstanding {
		c := &gosnmp.GoSNMP{
			Target: agent.Addr().String(), Port: agent.Port(), Community: "public",
			Version: gosnmp.Version2c, Timeout: 10 * time.Second, MaxOids: gosnmp.MaxOids,
		}
		if err := c.Connect(); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = c.Conn.Close() })
		clients = append(clients, c)
	}
	return clients
}

func askGosnmp(b *testing.B, clients []*gosnmp.GoSNMP, names []mib.OID) {
	var oids []string
	for _, n := range names {
		oids = append(oids, n.String())
	}
	work := make(chan bool)
	var workers sync.WaitGroup
	for _, c := range clients {
		workers.Go(func() {
			for range work {
				r, err := c.Get(oids)
				if err != nil || len(r.Variables) != len(oids) {
					b.Errorf("answer %+v, error %v", r, err)
				}
			}
		})
	}
	for range b.N {
		work <- true
	}
	close(work)
	workers.Wait()
}
