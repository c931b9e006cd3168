package responder

import (
	"context"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// patience is for what must happen; only a test that fails waits so long.
const patience = 10 * time.Second

func playpen() mib.OID { return mib.MustOID("1.3.6.1.4.1.8072.9999.9999.7466.99") }

// object is a name in the test's subtree: .1.n.0 are readable values, a SET of
// .2.n.0 is refused with status n, .3 panics, .4.n.0 is n octets long.
func object(parts ...uint32) mib.OID { return playpen().Append(parts...) }

// values are behind object(1, n, 0), from 1.
func values() []mib.Value {
	return []mib.Value{
		mib.Integer(-42),
		mib.Text("hello"),
		mib.ObjectID(mib.MustOID("1.3.6.1.4.1.8072")),
		mib.IPAddress(netip.MustParseAddr("192.0.2.7")),
		mib.Counter32(math.MaxUint32),
		mib.Gauge(1 << 31),
		mib.Ticks(4711),
		mib.Counter64(math.MaxUint64),
		{Type: mib.TypeOpaque, Bytes: []byte{0x9f, 0x78, 4, 0x3f, 0x80, 0, 0}}, // the float 1
	}
}

// shelf is a Setter over a sorted list of variables.
type shelf struct {
	vars []mib.Variable
	test func(vars []mib.Variable) (mib.Txn, *mib.SetError)

	// mu guards written.
	mu      sync.Mutex
	written map[string]mib.Value
}

func (s *shelf) Get(name mib.OID) mib.Value {
	i, ok := slices.BinarySearchFunc(s.vars, name, func(v mib.Variable, n mib.OID) int { return v.Name.Compare(n) })
	if !ok {
		return mib.Value{Type: mib.TypeNoSuchInstance}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.written) > 0 {
		if v, ok := s.written[name.String()]; ok {
			return v
		}
	}
	return s.vars[i].Value
}

func (s *shelf) Next(name mib.OID) (mib.Variable, bool) {
	i, ok := slices.BinarySearchFunc(s.vars, name, func(v mib.Variable, n mib.OID) int { return v.Name.Compare(n) })
	if ok {
		i++
	}
	if i == len(s.vars) {
		return mib.Variable{}, false
	}
	return mib.Variable{Name: s.vars[i].Name, Value: s.Get(s.vars[i].Name)}, true
}

func (s *shelf) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) { return s.test(vars) }

// writer is a transaction that commits as it is told.
type writer struct {
	shelf  *shelf
	vars   []mib.Variable
	commit mib.ErrorStatus
	undo   mib.ErrorStatus
}

func (w writer) Commit() *mib.SetError {
	if w.commit != mib.NoError {
		return mib.Refuse(w.commit, 0, "as asked")
	}
	w.shelf.mu.Lock()
	defer w.shelf.mu.Unlock()
	for _, v := range w.vars {
		w.shelf.written[v.Name.String()] = v.Value
	}
	return nil
}

func (w writer) Undo() *mib.SetError {
	if w.undo != mib.NoError {
		return mib.Refuse(w.undo, 0, "as asked")
	}
	return nil
}

func (w writer) Cleanup() {}

// newTree makes the test's subtree.
func newTree(tb testing.TB) *mib.Tree {
	tb.Helper()
	plain := &shelf{written: make(map[string]mib.Value)}
	for i, v := range values() {
		plain.vars = append(plain.vars, mib.Variable{Name: object(1, uint32(i+1), 0), Value: v})
	}
	plain.test = func(vars []mib.Variable) (mib.Txn, *mib.SetError) {
		for i, v := range vars {
			if plain.Get(v.Name).Type != v.Value.Type {
				return nil, mib.Refuse(mib.WrongType, i, "another type")
			}
		}
		return writer{shelf: plain, vars: vars}, nil
	}
	refusing := &shelf{written: make(map[string]mib.Value)}
	for i := range uint32(18) {
		refusing.vars = append(refusing.vars, mib.Variable{Name: object(2, i+1, 0), Value: mib.Integer(int32(i + 1))})
	}
	refusing.test = func(vars []mib.Variable) (mib.Txn, *mib.SetError) {
		if len(vars[0].Name) < len(playpen())+2 {
			return nil, mib.Refuse(mib.NotWritable, 0, "no object")
		}
		switch status := mib.ErrorStatus(vars[0].Name[len(playpen())+1]); status {
		case mib.CommitFailed:
			return writer{commit: mib.CommitFailed}, nil
		case mib.UndoFailed:
			return writer{commit: mib.CommitFailed, undo: mib.UndoFailed}, nil
		default:
			return nil, mib.Refuse(status, 0, "as asked")
		}
	}
	big := &shelf{test: func([]mib.Variable) (mib.Txn, *mib.SetError) {
		return nil, mib.Refuse(mib.NotWritable, 0, "not this one")
	}}
	for _, n := range []uint32{10, 100, 1000, 2000, 40000} {
		big.vars = append(big.vars, mib.Variable{Name: object(4, n, 0), Value: mib.Octets(make([]byte, n))})
	}
	tree := mib.NewTree()
	for _, r := range []struct {
		arc uint32
		h   mib.Handler
	}{{1, plain}, {2, refusing}, {3, panicking{}}, {4, big}} {
		if err := tree.Register(object(r.arc), r.h); err != nil {
			tb.Fatal(err)
		}
	}
	return tree
}

// panicking panics, save on a walk, which leaps over it.
type panicking struct{}

func (panicking) Get(mib.OID) mib.Value             { panic("in get") }
func (panicking) Next(mib.OID) (mib.Variable, bool) { return mib.Variable{}, false }
func (panicking) Test(vars []mib.Variable) (mib.Txn, *mib.SetError) {
	if vars[0].Name[len(playpen())+1] == 1 {
		panic("in test")
	}
	return panickingTxn{}, nil
}

type panickingTxn struct{}

func (panickingTxn) Commit() *mib.SetError { panic("in commit") }
func (panickingTxn) Undo() *mib.SetError   { return nil }
func (panickingTxn) Cleanup()              {}

// testConfig knows public, which reads, private, which also writes, operator,
// with views, join, which may only notify, and elsewhere, which may not be
// used from here.
func testConfig() Config {
	return Config{
		Listen: "127.0.0.1:0",
		Communities: []Community{
			{Name: "monitor", Secret: "public"},
			{Name: "manager", Secret: "private", Write: &View{}},
			{Name: "operator", Secret: "operator",
				View:  View{Include: []mib.OID{object(1, 2), object(2)}, Exclude: []mib.OID{object(2, 3), object(2, 18)}},
				Write: &View{Include: []mib.OID{object(1)}, Exclude: []mib.OID{object(1, 1)}}},
			{Name: "join", Secret: "join", View: View{Exclude: []mib.OID{{}}}, Notify: true},
			{Name: "elsewhere", Secret: "elsewhere", Sources: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
			{Name: "here", Secret: "here", Sources: []netip.Prefix{
				netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("127.0.0.0/8")}},
		},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func start(tb testing.TB, cfg Config) *Responder {
	tb.Helper()
	r, err := New(cfg, newTree(tb))
	if err != nil {
		tb.Fatal(err)
	}
	if err := r.RegisterSystem(System{
		Descr: "SIMONE node", ObjectID: playpen(), Started: time.Now(), Contact: "ops", Name: "n1", Location: "rack 1", Services: 72,
	}); err != nil {
		tb.Fatal(err)
	}
	run(tb, r.Run)
	return r
}

func run(tb testing.TB, f func(context.Context) error) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			tb.Error(err)
		}
	})
	tb.Cleanup(func() { cancel(); wg.Wait() })
}

// startPoller gives a poller with the communities as credentials, those of v1
// with a 1 behind the name.
func startPoller(tb testing.TB, local string) *snmp.Poller {
	tb.Helper()
	var credentials []snmp.Credential
	for _, c := range testConfig().Communities {
		credentials = append(credentials,
			snmp.Credential{Name: c.Name, Version: snmp.V2c, Community: c.Secret},
			snmp.Credential{Name: c.Name + "1", Version: snmp.V1, Community: c.Secret})
	}
	credentials = append(credentials, snmp.Credential{Name: "unknown", Version: snmp.V2c, Community: "wrong"})
	keys, err := snmp.NewKeyring(credentials...)
	if err != nil {
		tb.Fatal(err)
	}
	cfg := snmp.PollerConfig{Timeout: patience}
	if local != "" {
		cfg.LocalAddress = netip.MustParseAddr(local)
	}
	p, err := snmp.NewPoller(cfg, keys)
	if err != nil {
		tb.Fatal(err)
	}
	run(tb, p.Run)
	return p
}

// request makes a request without an address.
func request(credential string, verb mib.Verb, names ...mib.OID) mib.Request {
	req := mib.Request{Credential: credential, Verb: verb}
	for _, n := range names {
		req.Vars = append(req.Vars, mib.Variable{Name: n})
	}
	return req
}

// tool runs one of the net-snmp tools. CI must have them.
func tool(t *testing.T, name string, args ...string) (output string, failed bool) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing; install the package snmp", name)
		}
		t.Skipf("%s is not installed (package snmp)", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	// The tools write here what they keep, by default in the user's home, and
	// say so in their output when they have to make the directory.
	persistent := t.TempDir()
	if err := os.Mkdir(filepath.Join(persistent, "cert_indexes"), 0o700); err != nil {
		t.Fatal(err)
	}
	// Neither the machine's configuration nor its MIB files matter here.
	cmd.Env = append(os.Environ(), "MIBS=", "SNMPCONFPATH="+t.TempDir(), "SNMP_PERSISTENT_DIR="+persistent, "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err != nil
}
