package pollbench

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/gosnmp/gosnmp"
)

// workers is how many goroutines gosnmp is used from.
const workers = 100

// library asks with gosnmp as programs do that use it: each call waits for its
// answer, so there are many goroutines, with a connection for each target, or
// each goroutine with one of its own that is pointed at one target after the
// other.
type library struct {
	targets []netip.AddrPort
	perConn []*gosnmp.GoSNMP // by target; empty: a pool
	pool    []*gosnmp.GoSNMP // by worker
	ask     func(*gosnmp.GoSNMP) error
}

func newLibrary(targets []netip.AddrPort, pool bool, v3 bool, ask func(*gosnmp.GoSNMP) error) (*library, error) {
	l := &library{targets: targets, ask: ask}
	n := len(targets)
	if pool {
		n = min(workers, n)
	}
	for i := range n {
		c := client(targets[i], v3)
		if err := c.Connect(); err != nil {
			return nil, errors.Join(fmt.Errorf("gosnmp: connect to %v: %w", targets[i], err), l.Close())
		}
		if pool {
			l.pool = append(l.pool, c)
		} else {
			l.perConn = append(l.perConn, c)
		}
	}
	return l, nil
}

// client is set up for a target but not connected.
func client(to netip.AddrPort, v3 bool) *gosnmp.GoSNMP {
	c := &gosnmp.GoSNMP{
		Target: to.Addr().String(), Port: to.Port(), Community: Community, Version: gosnmp.Version2c,
		Timeout: patience, MaxOids: gosnmp.MaxOids,
	}
	if v3 {
		u := user()
		c.Version, c.SecurityModel, c.MsgFlags = gosnmp.Version3, gosnmp.UserSecurityModel, gosnmp.AuthPriv
		c.SecurityParameters = &gosnmp.UsmSecurityParameters{
			UserName:                 u.Name,
			AuthenticationProtocol:   gosnmp.SHA256,
			AuthenticationPassphrase: string(u.AuthPassphrase),
			PrivacyProtocol:          gosnmp.AES,
			PrivacyPassphrase:        string(u.PrivPassphrase),
		}
	}
	return c
}

// askGet asks for the scalars.
func askGet() func(*gosnmp.GoSNMP) error {
	var names []string
	for i := range scalars {
		names = append(names, scalar(i).String())
	}
	return func(c *gosnmp.GoSNMP) error {
		r, err := c.Get(names)
		if err == nil && (r.Error != gosnmp.NoError || len(r.Variables) != scalars) {
			err = fmt.Errorf("%d variables, %v", len(r.Variables), r.Error)
		}
		return err
	}
}

// askBulk walks the table: all of it, or as programs do that want some columns
// of a larger one, each column.
func askBulk(roots ...string) func(*gosnmp.GoSNMP) error {
	return func(c *gosnmp.GoSNMP) error {
		n := 0
		for _, root := range roots {
			if err := c.BulkWalk(root, func(gosnmp.SnmpPDU) error { n++; return nil }); err != nil {
				return err
			}
		}
		if n != tableColumns*tableRows {
			return fmt.Errorf("%d variables", n)
		}
		return nil
	}
}

func (l *library) round() (failed int, err error) {
	var next, bad atomic.Int64
	var wg sync.WaitGroup
	for w := range min(workers, len(l.targets)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(l.targets) {
					return
				}
				if l.one(w, i) != nil {
					bad.Add(1)
				}
			}
		})
	}
	wg.Wait()
	return int(bad.Load()), nil
}

// one has worker w ask target i.
func (l *library) one(w, i int) error {
	if l.pool == nil {
		return l.ask(l.perConn[i])
	}
	c := l.pool[w]
	if to := l.targets[i].Addr().String(); c.Target != to {
		_ = c.Conn.Close() // it is another's
		c.Target = to
		if err := c.Connect(); err != nil {
			return err
		}
	}
	return l.ask(c)
}

func (l *library) Close() error {
	var problems []error
	for _, c := range append(l.perConn, l.pool...) {
		problems = append(problems, c.Conn.Close())
	}
	return errors.Join(problems...)
}
