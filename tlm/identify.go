package tlm

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"simone/mib"
)

const (
	// identifyTimeout is how long a node has to say who it is.
	identifyTimeout = 500 * time.Millisecond
	// resolveTimeout is how long a name may take to become an address.
	resolveTimeout = 2 * time.Second
	// identifyAtOnce is how many nodes are asked at the same time.
	identifyAtOnce = 32
)

// identity is what a SIMONE node says of itself.
type identity struct {
	uuid         string
	address      string // its own idea of it
	candidate    bool
	capabilities []string
	active       bool // it is an ILM
	// What a manager has announced to it: this TLM, in a life that its store
	// may not know of, or another one.
	id    mib.NodeID
	epoch mib.Epoch
}

// identify asks the agent at an address who it is; false if it does not
// answer, or is no SIMONE node.
func (m *Manager) identify(ctx context.Context, address netip.AddrPort, credential string) (identity, bool) {
	objects := []mib.OID{
		mib.SimoneNodeUuid, mib.SimoneNodeAddress, mib.SimoneNodeCandidate, mib.SimoneNodeCapabilities, mib.SimoneIlmAdminStatus,
		mib.SimoneNodeId, mib.SimoneNodeEpoch,
	}
	vars := make([]mib.Variable, len(objects))
	for i, o := range objects {
		vars[i] = mib.Variable{Name: mib.Instance(o), Value: mib.Value{Type: mib.TypeNull}}
	}
	r := m.poller.Do(ctx, mib.Request{
		Address: address, Credential: credential, Verb: mib.VerbGet, Vars: vars, Timeout: identifyTimeout, Retries: 1,
	})
	if r.Err != nil || r.Status != mib.NoError || len(r.Vars) != len(objects) {
		return identity{}, false
	}
	for _, v := range r.Vars[:2] {
		if v.Value.Type != mib.TypeOctetString {
			return identity{}, false
		}
	}
	who := identity{
		uuid:      string(r.Vars[0].Value.Bytes),
		address:   string(r.Vars[1].Value.Bytes),
		candidate: mib.IsTrue(r.Vars[2].Value),
		active:    r.Vars[4].Value.Type == mib.TypeInteger && mib.IlmAdmin(r.Vars[4].Value.Int) == mib.IlmAdminUp,
	}
	if v := r.Vars[5].Value; v.Type == mib.TypeGauge32 {
		// A TLM's own node has the same number everywhere.
		if who.id = mib.NodeID(v.Uint); who.id == selfID {
			who.id = 0
		}
	}
	if e, err := mib.ParseEpoch(r.Vars[6].Value.Bytes); err == nil {
		who.epoch = e
	}
	if v := r.Vars[3].Value; v.Type == mib.TypeOctetString {
		who.capabilities = strings.Fields(string(v.Bytes))
	}
	return who, who.uuid != ""
}

// identifyAll asks many nodes at the same time; the answers stand in their
// order, those that did not come with an empty UUID.
func (m *Manager) identifyAll(ctx context.Context, addresses []netip.AddrPort, credentials []string) []identity {
	answers := make([]identity, len(addresses))
	places := make(chan struct{}, identifyAtOnce)
	var asked sync.WaitGroup
	for i := range addresses {
		if !addresses[i].IsValid() {
			continue
		}
		places <- struct{}{}
		asked.Go(func() {
			answers[i], _ = m.identify(ctx, addresses[i], credentials[i])
			<-places
		})
	}
	asked.Wait()
	return answers
}

// resolve makes an address of host:port; the host may be a name.
func resolve(ctx context.Context, hostPort string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddrPort(hostPort); err == nil {
		return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()), nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	host, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", hostPort, err)
	}
	n, err := net.DefaultResolver.LookupPort(ctx, "udp", port)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", hostPort, err)
	}
	addresses, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("address %q: %w", hostPort, err)
	}
	return netip.AddrPortFrom(addresses[0].Unmap(), uint16(n)), nil
}
