package pollbench

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// patience is how long anybody waits for an answer.
const patience = 5 * time.Second

// contestant is a way to poll.
type contestant interface {
	// round asks every target once and says how many did not answer as they
	// should.
	round() (failed int, err error)
	io.Closer
}

// way is a contestant by name.
type way struct {
	name    string
	floor   string // with which it is compared
	objects int    // of one poll
	open    func(targets []netip.AddrPort) (contestant, error)
}

// ways are all there are.
func ways() []way {
	get := mib.Request{Verb: mib.VerbGet, Vars: getVars()}
	bulk := mib.Request{Verb: mib.VerbGetBulk, Vars: bulkVars(), MaxRepetitions: tableRows}
	const table = tableColumns * tableRows
	var columns []string
	for i := range tableColumns {
		columns = append(columns, tableColumn(i).String())
	}
	floorOf := func(m *snmp.Message) func([]netip.AddrPort) (contestant, error) {
		return func(t []netip.AddrPort) (contestant, error) { return newFloor(t, m) }
	}
	return []way{
		{"floor-get", "floor-get", scalars, floorOf(getMessage())},
		{"engine-get", "floor-get", scalars, func(t []netip.AddrPort) (contestant, error) { return newEngine(t, "v2c", get, scalars) }},
		{"gosnmp-get", "floor-get", scalars, func(t []netip.AddrPort) (contestant, error) { return newLibrary(t, false, false, askGet()) }},
		{"gosnmp-pool", "floor-get", scalars, func(t []netip.AddrPort) (contestant, error) { return newLibrary(t, true, false, askGet()) }},
		{"floor-bulk", "floor-bulk", table, floorOf(bulkMessage())},
		{"engine-bulk", "floor-bulk", table, func(t []netip.AddrPort) (contestant, error) { return newEngine(t, "v2c", bulk, table) }},
		{"gosnmp-bulk", "floor-bulk", table, func(t []netip.AddrPort) (contestant, error) {
			return newLibrary(t, false, false, askBulk(tableEntry().String()))
		}},
		{"gosnmp-columns", "floor-bulk", table, func(t []netip.AddrPort) (contestant, error) { return newLibrary(t, false, false, askBulk(columns...)) }},
		{"engine-v3", "floor-get", scalars, func(t []netip.AddrPort) (contestant, error) { return newEngine(t, "v3", get, scalars) }},
		{"gosnmp-v3", "floor-get", scalars, func(t []netip.AddrPort) (contestant, error) { return newLibrary(t, false, true, askGet()) }},
		{"engine-paced", "floor-get", scalars, func(t []netip.AddrPort) (contestant, error) { return newPaced(t, get, scalars, false) }},
		{"engine-dead", "floor-get", scalars, func(t []netip.AddrPort) (contestant, error) { return newPaced(t, get, scalars, true) }},
	}
}

// measured is what one repetition of a way has cost.
type measured struct {
	Polls   int           `json:"polls"`
	Failed  int           `json:"failed"`
	User    time.Duration `json:"user_ns"`
	System  time.Duration `json:"system_ns"`
	Mallocs uint64        `json:"mallocs"`
	RSS     int64         `json:"rss"`               // octets
	Own     int64         `json:"own"`               // of these, without the program's file
	Late    time.Duration `json:"late_ns,omitempty"` // the 99th percentile, of paced ones
}

// RunClient is a contestant: it opens the way of that name and makes as many
// rounds as each line of in says, until there is none; what each has cost it
// tells on out.
func RunClient(name string, n int, port uint16, in io.Reader, out io.Writer) error {
	for _, w := range ways() {
		if w.name != name {
			continue
		}
		c, err := w.open(Targets(n, port))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		err = serve(c, n, in, out)
		if e := c.Close(); err == nil && e != nil {
			err = e
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("there is no way to poll called %q", name)
}

func serve(c contestant, n int, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	answers := json.NewEncoder(out)
	for lines.Scan() {
		rounds, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		m, err := measure(c, n, rounds)
		if err != nil {
			return err
		}
		if err := answers.Encode(m); err != nil {
			return err
		}
	}
	return lines.Err()
}

func measure(c contestant, n, rounds int) (m measured, err error) {
	// The others had the machine in the meantime: one round brings caches back.
	if _, err := c.round(); err != nil {
		return m, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	user, system := cpu()
	for range rounds {
		failed, err := c.round()
		if err != nil {
			return m, err
		}
		m.Failed += failed
		m.Polls += n
	}
	m.User, m.System = cpu()
	m.User, m.System = m.User-user, m.System-system
	runtime.ReadMemStats(&after)
	m.Mallocs = after.Mallocs - before.Mallocs
	if p, ok := c.(*paced); ok {
		m.Late = p.late()
	}
	m.RSS, m.Own, err = resident()
	return m, err
}

// cpu is the CPU time that this process has used, outside the kernel and in it.
func cpu() (user, system time.Duration) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the arguments are right
	}
	return time.Duration(u.Utime.Nano()), time.Duration(u.Stime.Nano())
}

// resident is how much memory of this process is in use, in octets: all of it,
// and without the pages of the program's file, which belong to the page cache.
func resident() (all, own int64, err error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, 0, fmt.Errorf("read the size in memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		var kilo int64
		switch {
		case scan(line, "VmRSS: %d kB", &kilo):
			all = kilo << 10
		case scan(line, "RssAnon: %d kB", &kilo):
			own = kilo << 10
		}
	}
	if all == 0 || own == 0 {
		return 0, 0, errors.New("read the size in memory: the system does not tell")
	}
	return all, own, nil
}

func scan(line, format string, value any) bool {
	_, err := fmt.Sscanf(strings.Join(strings.Fields(line), " "), format, value)
	return err == nil
}
