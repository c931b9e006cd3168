//go:build linux

package testbed

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"simone/agent"
	"simone/internal/app/chassis"
	"simone/internal/app/node"
	"simone/internal/app/top"
	"simone/internal/config"
)

var (
	rateFlag    = flag.Int("live.rate", 0, "with how many nodes TestSharedStoreRate measures what etcd is given; 0: not at all")
	rateForFlag = flag.Duration("live.ratefor", time.Minute, "for how long")
)

// TestSharedStoreRate measures what a TLM writes to etcd that looks after many
// nodes at a poll and trigger of 10 s, as etcd itself counts it.
func TestSharedStoreRate(t *testing.T) {
	if *rateFlag == 0 {
		t.Skip("measures for minutes; -live.rate=1000 asks for it")
	}
	const ilms = 10
	e := StartEtcd(t)
	dir := t.TempDir()
	collector, err := agent.NewCollector(agent.CollectorOptions{Period: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	at := netip.AddrFrom4([4]byte{127, 222, 0, 1})
	fill := func(c *config.Node, name string) {
		c.Name, c.Listen, c.State = name, netip.AddrPortFrom(at, agentPort).String(), filepath.Join(dir, name)
		c.Credentials = []config.Credential{{Name: "tree", Version: "v2c", Community: config.NewSecret("private")}}
		c.Communities = []config.Community{{Community: config.NewSecret("private"), Sources: []string{"127.0.0.0/8"}, Read: []string{"1"}, Write: []string{"simoneMIB"}, Notify: true}}
	}
	mount := func(o *chassis.Options) { o.Collector, o.From = collector, at }
	quiet := slog.New(slog.DiscardHandler)

	tc := config.DefaultTLM()
	fill(&tc.Node, "tlm")
	tc.Store = "etcd://" + e.Endpoint + "/rate"
	tc.ILMs.Start, tc.ILMs.Min = ilms, ilms
	above, err := top.Open(top.Options{Config: tc, Logger: quiet, Mount: mount})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	parts := []func(context.Context) error{above.Run, collector.Run}
	closers := []func() error{above.Close}
	for i := range *rateFlag {
		at = at.Next()
		nc := config.DefaultNode()
		fill(nc, fmt.Sprintf("n%d", i+2))
		nc.Candidate = i < ilms
		nc.Announce = config.Announce{To: tc.Listen, Credential: "tree", Every: config.Duration(10 * time.Second)}
		n, err := node.Open(node.Options{Config: nc, Logger: quiet, Mount: mount})
		if err != nil {
			t.Fatal(err)
		}
		parts, closers = append(parts, n.Run), append(closers, n.Close)
	}
	ended := make(chan error, len(parts))
	for _, run := range parts {
		go func() { ended <- run(ctx) }()
	}
	defer func() {
		stop()
		for range parts {
			err = errors.Join(err, <-ended)
		}
		for _, c := range closers {
			err = errors.Join(err, c())
		}
		if err != nil {
			t.Error(err)
		}
	}()
	took := eventually(t, 5*time.Minute, "all nodes are covered", func() string {
		m := above.Manager()
		if m == nil {
			return "nobody leads"
		}
		if covered, nodes := m.Coverage(); nodes != *rateFlag+1 || covered < nodes {
			return fmt.Sprintf("%d of %d", covered, nodes)
		}
		return ""
	})
	before, began := e.metrics(t), time.Now()
	<-time.After(*rateForFlag)
	after, seconds := e.metrics(t), time.Since(began).Seconds()
	per := func(name string) float64 { return (after[name] - before[name]) / seconds }
	t.Logf("%d nodes were covered after %v; then per second: %.1f puts, %.1f keys deleted, %.1f fsyncs of the log; %.1f kB received; the file has %.1f MB, %.1f in use",
		*rateFlag, took.Round(time.Second), per("etcd_mvcc_put_total"), per("etcd_mvcc_delete_total"), per("etcd_disk_wal_fsync_duration_seconds_count"),
		per("etcd_network_client_grpc_received_bytes_total")/1e3,
		after["etcd_mvcc_db_total_size_in_bytes"]/1e6, after["etcd_mvcc_db_total_size_in_use_in_bytes"]/1e6)
}

// metrics reads what etcd counts, by name; of those with labels the sum.
func (e *Etcd) metrics(tb testing.TB) map[string]float64 {
	tb.Helper()
	answer, err := e.get("/metrics")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	all := make(map[string]float64)
	for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), " ")
		if v, err := strconv.ParseFloat(value, 64); ok && err == nil {
			name, _, _ = strings.Cut(name, "{")
			all[name] += v
		}
	}
	return all
}
