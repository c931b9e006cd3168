package frontends

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gosnmp/gosnmp"

	"simone/agent/responder"
	"simone/internal/snmp"
	"simone/mib"
)

const (
	// benchRows is the size of a list that the figures are given for.
	benchRows = 2048
	// benchRounds is how often everything is done, in turns, so that what else
	// the machine does meets all alike.
	benchRounds = 9
	// benchGets is how many GETs a CPU time is taken over: /proc counts it in
	// hundredths of a second.
	benchGets = 40000
	// outstanding is how many GETs are on their way.
	outstanding = 64
	// firstRow is the first NodeID of the rows that come and go.
	firstRow = 10000
)

// responderEnv makes the test binary a responder, so that its CPU time has
// none of the client's in it.
const responderEnv = "SIMONE_FRONTENDS_RESPONDER"

// figures are what BenchmarkFrontEnds measures, by name and round.
type figures map[string][]float64

func (f figures) add(name string, v float64) { f[name] = append(f[name], v) }

// figure is the median of CPU times, and of elapsed times the least: on a
// machine with other work that is the one that had the least of it.
func (f figures) figure(name string) float64 {
	s := slices.Sorted(slices.Values(f[name]))
	if strings.HasSuffix(name, elapsed) {
		return s[0]
	}
	return s[len(s)/2]
}

const elapsed = "-ms" // at the end of a figure's name

// BenchmarkFrontEnds measures in turns, through a real snmpd: a walk of 2,048
// rows and four columns of a subagent's simoneSupportTable, side by side in one
// request, and of as many objects of an snmpd's own: 32 times a table of 64 rows
// in memory, and once a table of 2,048, tcpConnTable; the creation of 2,048 rows
// by columns, fifty in a SET, and by simoneIlmApply; and the CPU time of a GET of
// five variables of the system group, of the snmpd and of the responder.
func BenchmarkFrontEnds(b *testing.B) {
	own := launchSNMPd(b, append(views(64), "rocommunity bench")...)
	table := mib.MustOID("1.3.6.1.6.3.16.1.5.2.1") // vacmViewTreeFamilyEntry
	small := []mib.OID{table.Append(3), table.Append(4), table.Append(5), table.Append(6)}
	big := listen(b)
	w := newWorld(b, 0)
	f := startSNMPd(b, w, "rocommunity bench")
	alone, pid := startResponderProcess(b)
	manager := client(b, f.addr, gosnmp.Version2c, "private")
	reader := client(b, f.addr, gosnmp.Version2c, "bench")
	support := []mib.OID{mib.SimoneSupportName, mib.SimoneSupportAddress, mib.SimoneSupportKind, mib.SimoneSupportEpoch}
	native := client(b, own.addr, gosnmp.Version2c, "bench")
	m := make(figures)
	timed := func(name string, do func()) {
		began := time.Now()
		do()
		m.add(name+elapsed, time.Since(began).Seconds()*1000)
	}
	for b.Loop() {
		for range benchRounds {
			timed("columns", func() { createByColumns(b, manager, w) })
			destroyRows(b, w)
			timed("apply", func() { createByApply(b, manager, w, uint32(len(m["columns-ms"])+10)) })
			timed("walk", func() { walkColumns(b, reader, support, benchRows) })
			timed("native-walk", func() {
				for rows := 0; rows < benchRows; {
					rows += walkColumns(b, native, small, 64)
				}
			})
			if len(m["native-table-ms"]) == 0 {
				timed("native-table", func() { walkColumns(b, native, big, benchRows) })
			}
			destroyRows(b, w)
			m.add("snmpd-us/get", cpuPerGet(b, f.addr, f.pid))
			m.add("responder-us/get", cpuPerGet(b, alone, pid))
		}
	}
	for name := range m {
		b.ReportMetric(m.figure(name), name)
	}
	ratio := func(what, over, under, goal string) {
		b.Logf("%-58s %5.2f  (%s)", what, m.figure(over)/m.figure(under), goal)
	}
	ratio("walk of 2,048 x 4 through AgentX : of snmpd's own objects", "walk-ms", "native-walk-ms", "for comparison")
	ratio("the same : of snmpd's tcpConnTable of that size", "walk-ms", "native-table-ms", "for comparison")
	ratio("2,048 rows by simoneIlmApply : by columns", "apply-ms", "columns-ms", "below 1")
	ratio("CPU of a GET of five variables, responder : snmpd", "responder-us/get", "snmpd-us/get", "at most 0.33")
}

// listen makes tcpConnTable of the snmpd a table of benchRows rows at least,
// and gives four columns of it.
func listen(b *testing.B) []mib.OID {
	b.Helper()
	for range benchRows {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = l.Close() })
	}
	entry := mib.MustOID("1.3.6.1.2.1.6.13.1")
	return []mib.OID{entry.Append(1), entry.Append(2), entry.Append(3), entry.Append(5)}
}

// views are lines that make vacmViewTreeFamilyTable of an snmpd have n rows at
// least.
func views(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("view bench%d included .1.3.6.1", i))
	}
	return lines
}

// walkColumns reads columns to their end, with all of them in each GETBULK, and
// gives how many rows there are.
func walkColumns(b *testing.B, c *gosnmp.GoSNMP, columns []mib.OID, least int) (rows int) {
	b.Helper()
	names := make([]string, len(columns))
	for i, o := range columns {
		names[i] = o.String()
	}
	for {
		p, err := c.GetBulk(names, 0, 50)
		if err != nil || p.Error != gosnmp.NoError || len(p.Variables) == 0 {
			b.Fatal(p, err)
		}
		for i, v := range p.Variables {
			column := i % len(columns)
			if v.Type == gosnmp.EndOfMibView || !strings.HasPrefix(v.Name, columns[column].String()+".") {
				if rows < least {
					b.Fatalf("%d rows", rows)
				}
				return rows
			}
			if column == 0 {
				rows++
			}
			names[column] = v.Name
		}
	}
}

// mustSet does a SET that has to pass.
func mustSet(b *testing.B, c *gosnmp.GoSNMP, vars []mib.Variable) {
	b.Helper()
	if p, err := c.Set(pdus(vars)); err != nil || p.Error != gosnmp.NoError {
		b.Fatal(p, err)
	}
}

// createByColumns makes the rows as a person would, fifty in a SET.
func createByColumns(b *testing.B, c *gosnmp.GoSNMP, w *world) {
	b.Helper()
	for made := uint32(0); made < benchRows; {
		vars := []mib.Variable{w.fence()}
		for range min(50, benchRows-made) {
			r := row(mib.NodeID(firstRow+made), 0)
			vars = append(vars, cell(mib.SimoneSupportName, uint32(r.Node), mib.Text(r.Name)), cell(mib.SimoneSupportAddress, uint32(r.Node), mib.Text(r.Address)),
				cell(mib.SimoneSupportRowStatus, uint32(r.Node), mib.Integer(int32(mib.RowCreateAndGo))))
			made++
		}
		mustSet(b, c, vars)
	}
}

// createByApply makes them as a manager does, as many in a SET as fit.
func createByApply(b *testing.B, c *gosnmp.GoSNMP, w *world, epoch uint32) {
	b.Helper()
	var a mib.Apply
	size := 1
	flush := func() {
		mustSet(b, c, []mib.Variable{w.fence(), apply(a)})
		a, size = mib.Apply{}, 1
	}
	for i := range uint32(benchRows) {
		r := row(mib.NodeID(firstRow+i), epoch)
		if size+r.Len() > mib.MaxApply {
			flush()
		}
		a.Stage, size = append(a.Stage, r), size+r.Len()
	}
	flush()
}

// destroyRows takes the rows away again, past the front end.
func destroyRows(b *testing.B, w *world) {
	b.Helper()
	var tombs []mib.Tombstone
	for _, r := range w.host.Report(nil, true).Rows {
		if r.Row.Node >= firstRow {
			tombs = append(tombs, mib.Tombstone{Node: r.Row.Node, Epoch: r.Row.Epoch})
		}
	}
	if len(tombs) != benchRows {
		b.Fatalf("there are %d rows", len(tombs))
	}
	for some := range slices.Chunk(tombs, 100) {
		w.must(b, w.fence(), apply(mib.Apply{Destroy: some}))
	}
}

// cpuPerGet is the CPU time, in µs, that a process takes for a GET of five
// variables of its system group.
func cpuPerGet(b *testing.B, at netip.AddrPort, pid int) float64 {
	b.Helper()
	m := snmp.Message{Version: snmp.V2c, Community: []byte("bench"), PDU: snmp.PDU{Verb: mib.VerbGet, RequestID: 1}}
	for _, n := range []uint32{1, 2, 4, 5, 6} {
		m.Vars = append(m.Vars, mib.Variable{Name: mib.MustOID("1.3.6.1.2.1.1").Append(n, 0), Value: mib.Value{Type: mib.TypeNull}})
	}
	request, err := m.Append(nil)
	if err != nil {
		b.Fatal(err)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	buf := make([]byte, 2048)
	exchange := func(n int) {
		sent := 0
		for answered := 0; answered < n; answered++ {
			for ; sent < n && sent < answered+outstanding; sent++ {
				if _, err := conn.Write(request); err != nil {
					b.Fatal(err)
				}
			}
			if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
				b.Fatal(err)
			}
			size, err := conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			if answered > 0 {
				continue
			}
			var answer snmp.Message
			if err := answer.Decode(buf[:size]); err != nil || answer.Status != mib.NoError || len(answer.Vars) != 5 || answer.Vars[3].Value.String() != "ilm4" {
				b.Fatalf("%v %v", answer.PDU, err)
			}
		}
	}
	exchange(200)
	before := cpuTime(b, pid)
	exchange(benchGets)
	return float64((cpuTime(b, pid) - before).Microseconds()) / benchGets
}

// cpuTime is what a process has used, all its threads together (proc(5)).
func cpuTime(tb testing.TB, pid int) time.Duration {
	tb.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		tb.Fatal(err)
	}
	// The name, the only part with blanks, ends with the last bracket.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	const utime, stime = 14 - 3, 15 - 3
	var ticks int64
	for _, i := range []int{utime, stime} {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			tb.Fatal(err)
		}
		ticks += n
	}
	const hertz = 100 // USER_HZ is that on every machine that Go runs on
	return time.Duration(ticks) * time.Second / hertz
}

// startResponderProcess runs this test binary as a responder until the
// benchmark is done.
func startResponderProcess(tb testing.TB) (netip.AddrPort, int) {
	tb.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestResponderProcess$")
	cmd.Env = append(os.Environ(), responderEnv+"=1")
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
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
			tb.Errorf("the responder: %v", err)
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
	return addr, cmd.Process.Pid
}

// TestResponderProcess is the responder of BenchmarkFrontEnds.
func TestResponderProcess(t *testing.T) {
	if os.Getenv(responderEnv) == "" {
		t.Skip("this is the other process of BenchmarkFrontEnds")
	}
	r, err := responder.New(responder.Config{
		Listen: "127.0.0.1:0", Communities: []responder.Community{{Name: "bench", Secret: "bench"}}, Logger: quiet(),
	}, newWorld(t, 0).tree)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.RegisterSystem(responder.System{
		Descr: "SIMONE node", ObjectID: mib.SimoneMIB, Started: time.Now(), Contact: "ops", Name: "ilm4", Location: "rack 1", Services: 72,
	}); err != nil {
		t.Fatal(err)
	}
	fmt.Println(r.Addr())
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
}
