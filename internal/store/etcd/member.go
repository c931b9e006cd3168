package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"simone/internal/store"
)

// Why a manager may not act.
var (
	// ErrStandby says that another manager leads, or nobody yet.
	ErrStandby = errors.New("this manager does not lead")
	// ErrExpired says that this manager was not heard of by etcd for so long
	// that another may lead by now.
	ErrExpired = errors.New("the lease has run out by this manager's own clock")
	// ErrDeposed says that another manager has led in the meantime: what was
	// made of the store is not true any more.
	ErrDeposed = errors.New("another manager has led in the meantime")
)

// Who is a manager as the others know it.
type Who struct {
	Name    string // of the node
	Address string // where its agent answers, host:port
}

// Standing is how things are among the managers, as far as this one has heard.
type Standing struct {
	Leading bool  // this one leads
	Expired bool  // it does, but its lease was over by its own clock when that was last looked at
	Leader  Who   // who leads; zero: nobody that is known
	Others  []Who // who would follow, in this order; the leader and this one are not among them
	Trouble string
	Since   time.Time // when Leading last changed
}

// Member is one of the managers that share a store. Create it with New, then
// call Run. All methods are safe for concurrent use.
type Member struct {
	cfg     Config
	client  atomic.Pointer[clientv3.Client] // nil before the first connection
	log     *slog.Logger
	history *history

	// mu guards the fields below.
	mu        sync.Mutex
	candidate candidate
	until     time.Time // until when the lease lives at least
	standing  Standing
	changed   chan struct{} // closed when standing, or the candidate, changes
	troubled  time.Time     // when it began
}

// candidate is a key of this manager among those that would lead.
type candidate struct {
	lease   clientv3.LeaseID
	key     string
	created int64 // its revision
}

// New makes a member. It does not yet connect.
func New(cfg Config) (*Member, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	m := &Member{
		cfg: cfg, log: cfg.Logger, changed: make(chan struct{}), standing: Standing{Since: time.Now()},
		history: &history{dir: cfg.History, limits: cfg.Limits.Limits, log: cfg.Logger},
	}
	if cfg.User == "" {
		if err := m.connect(); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// connect makes a client. With a user it logs in, for which etcd must be there;
// that is left to Run.
func (m *Member) connect() error {
	client, err := m.cfg.dial()
	if err != nil {
		return err
	}
	if old := m.client.Swap(client); old != nil {
		_ = old.Close() // what is under way on it fails
	}
	return nil
}

// etcd is the present client. It may be closed at any time, and another take
// its place.
func (m *Member) etcd() *clientv3.Client { return m.client.Load() }

// Close ends the connection. Run must have returned.
func (m *Member) Close() error {
	var err error
	if client := m.etcd(); client != nil {
		err = client.Close()
	}
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if err = errors.Join(err, m.history.close()); err != nil {
		return fmt.Errorf("etcd: close: %w", err)
	}
	return nil
}

// Standing is how things are, and a channel that is closed when that changes.
func (m *Member) Standing() (Standing, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.standing, m.changed
}

// Held says why this manager may not act as the leader now; nil if it may.
// After a pause of the process it knows by the monotonic clock, before
// anything is sent.
func (m *Member) Held() error {
	_, err := m.held()
	return err
}

func (m *Member) held() (candidate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case !m.standing.Leading:
		return candidate{}, m.because(ErrStandby)
	case !time.Now().Before(m.until):
		return candidate{}, m.because(ErrExpired)
	}
	return m.candidate, nil
}

// because adds what is wrong with etcd. m.mu is held.
func (m *Member) because(err error) error {
	if m.standing.Trouble == "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, m.standing.Trouble)
}

// Pauses between attempts to become a candidate.
const (
	minPause = 200 * time.Millisecond
	maxPause = 2 * time.Second
)

// Run is a candidate until ctx ends, then gives the lease back, so that
// another one leads at once, and returns nil. Whoever acts as the leader must
// have stopped before.
func (m *Member) Run(ctx context.Context) error {
	var follower sync.WaitGroup
	defer follower.Wait()
	pause, following, anew := minPause, false, false
	for ctx.Err() == nil {
		began := time.Now()
		var err error
		if m.etcd() == nil || anew {
			err = m.connect()
		}
		if err == nil {
			if !following {
				following = true
				follower.Go(func() { m.follow(ctx) })
			}
			err = m.stand(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		m.lose(err)
		// A client whose login etcd has forgotten, as after a restart, may
		// never find its way again (3.7 at an etcd 3.4).
		anew = m.cfg.User != "" && !errors.Is(err, rpctypes.ErrLeaseNotFound)
		if time.Since(began) > maxPause {
			pause = minPause
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
	m.resign(context.WithoutCancel(ctx))
	return nil
}

// resign gives the lease back.
func (m *Member) resign(ctx context.Context) {
	m.mu.Lock()
	lease := m.candidate.lease
	m.candidate, m.until = candidate{}, time.Time{}
	m.set(func(s *Standing) { s.Leading = false })
	m.mu.Unlock()
	if lease == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if _, err := m.etcd().Revoke(ctx, lease); err != nil {
		m.log.Info("the lease could not be given back: another one leads when it has run out", "err", err)
	}
}

// Yield lets others lead first, as this manager cannot: it becomes a candidate
// again, behind them.
func (m *Member) Yield(ctx context.Context) {
	m.mu.Lock()
	lease := m.candidate.lease
	m.mu.Unlock()
	if lease == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = m.etcd().Revoke(ctx, lease) // or it runs out
}

// lose notes that this manager is no candidate any more.
func (m *Member) lose(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.candidate, m.until = candidate{}, time.Time{}
	m.set(func(s *Standing) {
		s.Leading, s.Expired = false, false
		if s.Leader == m.who() {
			s.Leader = Who{}
		}
	})
	if !errors.Is(why, rpctypes.ErrLeaseNotFound) {
		m.trouble(why)
	}
}

func (m *Member) who() Who { return Who{m.cfg.Name, m.cfg.Address} }

// set changes the standing and wakes who waits for that. m.mu is held.
func (m *Member) set(change func(*Standing)) {
	was := m.standing.Leading
	change(&m.standing)
	if m.standing.Leading != was {
		m.standing.Since = time.Now()
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

// trouble notes what is wrong with etcd, nil that nothing is; it is logged
// when it begins and when it ends, and not in between. m.mu is held.
func (m *Member) trouble(err error) {
	text := ""
	if err != nil {
		text = fmt.Sprintf("etcd at %s: %v", strings.Join(m.cfg.Endpoints, ","), err)
	}
	switch {
	case text != "" && m.standing.Trouble == "":
		m.troubled = time.Now()
		m.log.Warn("etcd cannot be used; waiting for it", "endpoints", m.cfg.Endpoints, "err", err)
	case text == "" && m.standing.Trouble != "":
		m.log.Info("etcd can be used again", "after", time.Since(m.troubled).Round(time.Millisecond))
	case text == m.standing.Trouble:
		return
	}
	m.set(func(s *Standing) { s.Trouble = text })
}

func (m *Member) noteTrouble(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble(err)
}

// requestTimeout bounds each request: etcd answers in milliseconds, or
// something is wrong with it.
const requestTimeout = 2 * time.Second

// stand is one candidacy: until the lease is lost, or ctx ends.
func (m *Member) stand(ctx context.Context) error {
	sent := time.Now()
	granted, err := within(ctx, func(ctx context.Context) (*clientv3.LeaseGrantResponse, error) {
		return m.etcd().Grant(ctx, int64(m.cfg.TTL/time.Second))
	})
	if err != nil {
		return fmt.Errorf("take a lease: %w", err)
	}
	value, err := json.Marshal(m.who())
	if err != nil {
		return err
	}
	key := fmt.Sprintf("%s/leader/%016x", m.cfg.Prefix, uint64(granted.ID))
	put, err := within(ctx, func(ctx context.Context) (*clientv3.PutResponse, error) {
		return m.etcd().Put(ctx, key, string(value), clientv3.WithLease(granted.ID))
	})
	if err != nil { // the lease ends by itself, and the key with it
		return fmt.Errorf("become a candidate: %w", err)
	}
	m.mu.Lock()
	m.candidate = candidate{granted.ID, key, put.Header.Revision}
	m.until = sent.Add(time.Duration(granted.TTL) * time.Second)
	m.trouble(nil)
	m.mu.Unlock()

	ctx, cancel := context.WithCancelCause(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() { cancel(m.watch(ctx, key)) })
	cancel(m.renew(ctx, granted.ID, time.Duration(granted.TTL)*time.Second))
	watcher.Wait()
	return context.Cause(ctx)
}

// watch follows who leads, until this manager's key is gone, or ctx ends.
func (m *Member) watch(ctx context.Context, own string) error {
	prefix := m.cfg.Prefix + "/leader/"
	for {
		revision, err := m.look(ctx, prefix, own)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			return err
		case err != nil:
			m.noteTrouble(err)
		default:
			m.next(ctx, prefix, revision)
		}
		if err != nil {
			select {
			case <-ctx.Done():
			case <-time.After(minPause):
			}
		}
	}
}

// next waits for a change after a revision; also for nothing, when the watch
// breaks off.
func (m *Member) next(ctx context.Context, prefix string, revision int64) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	// A watch that waits for an etcd that is gone would not say so.
	look := time.NewTimer(10 * m.cfg.TTL)
	defer look.Stop()
	select {
	case <-m.etcd().Watch(ctx, prefix, clientv3.WithPrefix(), clientv3.WithRev(revision+1)):
	case <-look.C:
	case <-ctx.Done():
	}
}

// look reads who leads.
func (m *Member) look(ctx context.Context, prefix, own string) (revision int64, err error) {
	got, err := within(ctx, func(ctx context.Context) (*clientv3.GetResponse, error) {
		return m.etcd().Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithSort(clientv3.SortByCreateRevision, clientv3.SortAscend))
	})
	if err != nil {
		return 0, fmt.Errorf("read who leads: %w", err)
	}
	leading, found, leader, others := false, false, Who{}, []Who(nil)
	for i, kv := range got.Kvs {
		var who Who
		if err := json.Unmarshal(kv.Value, &who); err != nil {
			return 0, fmt.Errorf("key %s is not of this program: %w", kv.Key, err)
		}
		mine := string(kv.Key) == own
		found = found || mine
		switch {
		case i == 0:
			leading, leader = mine, who
		case !mine:
			others = append(others, who)
		}
	}
	if !found { // the lease went, and the key with it
		return 0, rpctypes.ErrLeaseNotFound
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !leading && leader != m.standing.Leader {
		m.log.Info("standing by", "leader", leader.Name, "at", leader.Address)
	}
	m.set(func(s *Standing) { s.Leading, s.Leader, s.Others = leading, leader, others })
	return got.Header.Revision, nil
}

// within does a request in the time that it may take.
func within[T any](ctx context.Context, f func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	return f(ctx)
}

// Read takes a picture of what is in the store now, whoever leads: for those
// who only want to look. There are no samples in it. It is not for members
// that run.
func (m *Member) Read(ctx context.Context) (*store.Memory, error) {
	if m.etcd() == nil {
		if err := m.connect(); err != nil {
			return nil, err
		}
	}
	r := &reading{client: m.etcd()}
	k := keys(m.cfg.Prefix)
	if _, _, err := r.format(ctx, k); err != nil {
		return nil, err
	}
	picture, _, err := r.picture(ctx, k, m.cfg.Limits.Limits, func(entry, *store.Change) {})
	return picture, err
}
