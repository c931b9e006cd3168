package etcd

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"

	"simone/internal/store"
)

// Config says which etcd, and who asks. Endpoints and Prefix must be given.
type Config struct {
	Endpoints []string // host:port
	Prefix    string   // of all keys, as /simone; without a slash at its end

	// Name and Address tell others who this manager is and where its agent
	// answers, host:port.
	Name, Address string

	// TTL is how long a leader leads that is not heard of, in whole seconds;
	// 0 is DefaultTTL. etcd makes less than 2 s longer.
	TTL time.Duration

	TLS            *tls.Config // nil: none
	User, Password string      // empty: none

	// History is the directory of the file with the history of samples; ""
	// keeps none.
	History string
	Limits  Limits

	Logger *slog.Logger // nil discards
}

// DefaultTTL is such that another manager leads within 5 s of the leader's
// death: etcd takes up to half a second to notice that a lease has ended.
const DefaultTTL = 3 * time.Second

// Limits bound what is kept. Zeros are the defaults.
type Limits struct {
	store.Limits // of the history and the event table

	// The journal reaches back at least this far, and less if it would be
	// larger than these octets. 10 min and 16 MiB by default.
	JournalAge  time.Duration
	JournalSize int

	// A snapshot is written after so many octets or entries of the journal,
	// or that time if there are any. 1 MiB, 2000 and 1 min by default.
	SnapshotSize  int
	SnapshotCount int
	SnapshotEvery time.Duration

	// Compact has the leader take the revisions out of etcd that the journal
	// does not need any more. Of an etcd that is shared with others their
	// revisions go too.
	Compact bool
}

func (l Limits) withDefaults() Limits {
	or := func(v *time.Duration, d time.Duration) {
		if *v <= 0 {
			*v = d
		}
	}
	orInt := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	l.Limits = l.Limits.WithDefaults()
	or(&l.JournalAge, 10*time.Minute)
	or(&l.SnapshotEvery, time.Minute)
	orInt(&l.JournalSize, 16<<20)
	orInt(&l.SnapshotSize, 1<<20)
	orInt(&l.SnapshotCount, 2000)
	return l
}

func (c *Config) complete() error {
	switch {
	case len(c.Endpoints) == 0:
		return errors.New("etcd: no endpoint is given")
	case !strings.HasPrefix(c.Prefix, "/") || strings.HasSuffix(c.Prefix, "/"):
		return fmt.Errorf("etcd: the prefix %q does not begin with a slash, or ends with one; write it as /simone", c.Prefix)
	case c.TTL < 0 || c.TTL%time.Second != 0:
		return fmt.Errorf("etcd: a lease of %v is not of whole seconds", c.TTL)
	case (c.User == "") != (c.Password == ""):
		return errors.New("etcd: a user needs a password, and a password a user")
	}
	if c.TTL == 0 {
		c.TTL = DefaultTTL
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Limits = c.Limits.withDefaults()
	return nil
}

// How the connection is kept. etcd ends connections that ask more often than
// every 5 s whether it is there.
const (
	dialTimeout      = 2 * time.Second
	keepAliveTime    = 10 * time.Second
	keepAliveTimeout = 3 * time.Second
)

// dial makes a client, which connects when it is used.
func (c *Config) dial() (*clientv3.Client, error) {
	client, err := clientv3.New(clientv3.Config{
		Endpoints:            c.Endpoints,
		TLS:                  c.TLS,
		Username:             c.User,
		Password:             c.Password,
		DialTimeout:          dialTimeout,
		DialKeepAliveTime:    keepAliveTime,
		DialKeepAliveTimeout: keepAliveTimeout,
		Logger:               zap.NewNop(), // what matters comes back as an error
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(grpc.ConnectParams{
			// An etcd that is back is to be found soon, however long it was away.
			Backoff:           backoff.Config{BaseDelay: 200 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: dialTimeout,
		})},
	})
	if err != nil {
		return nil, fmt.Errorf("etcd %s: %w", strings.Join(c.Endpoints, ","), err)
	}
	return client, nil
}
