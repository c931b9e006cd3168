package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// renew keeps the lease alive until it is lost, or ctx ends.
func (m *Member) renew(ctx context.Context, lease clientv3.LeaseID, ttl time.Duration) error {
	r := renewer{m: m, lease: lease, patience: ttl / 3}
	defer r.drop()
	ticker := time.NewTicker(ttl / 4)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		sent, left, err := r.once(ctx)
		switch {
		case err == nil:
			m.mu.Lock()
			m.until = sent.Add(left)
			m.trouble(nil)
			m.expired(false)
			m.mu.Unlock()
		case errors.Is(err, rpctypes.ErrLeaseNotFound):
			return err
		case ctx.Err() == nil:
			m.mu.Lock()
			m.trouble(fmt.Errorf("renew the lease: %w", err))
			over := !time.Now().Before(m.until)
			m.expired(over)
			m.mu.Unlock()
			if over && m.cfg.User != "" { // it may be the login
				return err
			}
		}
	}
}

// expired notes whether the lease is over. m.mu is held.
func (m *Member) expired(is bool) {
	if is != m.standing.Expired {
		m.set(func(s *Standing) { s.Expired = is })
	}
}

// renewer renews a lease on one stream. The client's own ways do not say when
// the renewal was sent that was answered, or take a stream for each, and for
// each stream etcd checks the password anew, which it makes expensive.
type renewer struct {
	m        *Member
	lease    clientv3.LeaseID
	patience time.Duration // with one renewal

	stream etcdserverpb.Lease_LeaseKeepAliveClient // nil: none
	cancel context.CancelFunc                      // of the stream
}

// once renews the lease: sent is when it was asked for, left how long the
// lease lives from then on at least.
func (r *renewer) once(ctx context.Context) (sent time.Time, left time.Duration, err error) {
	defer func() {
		if err != nil {
			r.drop()
		}
	}()
	if r.stream == nil {
		if err := r.open(ctx); err != nil {
			return sent, 0, err
		}
	}
	over := time.AfterFunc(r.patience, r.cancel)
	defer over.Stop()
	sent = time.Now()
	if err := r.stream.Send(&etcdserverpb.LeaseKeepAliveRequest{ID: int64(r.lease)}); err != nil {
		return sent, 0, r.why(err)
	}
	kept, err := r.stream.Recv()
	switch {
	case err != nil:
		return sent, 0, r.why(err)
	case kept.TTL <= 0:
		return sent, 0, rpctypes.ErrLeaseNotFound
	}
	return sent, time.Duration(kept.TTL) * time.Second, nil
}

// open opens the stream.
func (r *renewer) open(ctx context.Context) error {
	var lasting context.Context
	lasting, r.cancel = context.WithCancel(clientv3.WithRequireLeader(ctx))
	over := time.AfterFunc(r.patience, r.cancel)
	defer over.Stop()
	stream, err := etcdserverpb.NewLeaseClient(r.m.etcd().ActiveConnection()).LeaseKeepAlive(lasting)
	if err != nil {
		return r.why(err)
	}
	r.stream = stream
	return nil
}

// why is an error of the stream, as etcd means it.
func (r *renewer) why(err error) error {
	if err = rpctypes.Error(err); errors.Is(err, context.Canceled) {
		return context.DeadlineExceeded
	}
	return err
}

// drop ends the stream.
func (r *renewer) drop() {
	if r.cancel != nil {
		r.cancel()
	}
	r.stream, r.cancel = nil, nil
}
