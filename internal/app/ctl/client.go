package ctl

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// DefaultPort is where SIMONE's agents answer unless configured otherwise.
const DefaultPort = 1161

// The names of the two credentials in a client's keyring.
const (
	reader = "read"
	writer = "write"
)

// client asks agents. Close it after use.
type client struct {
	poller  *snmp.Poller
	timeout time.Duration
	retries int
	access  *access
	anybody bool // it asks any SNMP agent, not a SIMONE node
	stop    context.CancelFunc
	ended   chan error
}

// open starts a client with the credentials and time-outs of the options.
func (o *options) open() (*client, error) {
	who, err := o.access()
	if err != nil {
		return nil, err
	}
	keys, err := who.keyring()
	if err != nil {
		return nil, usage("check "+who.flags(reader), "credentials: %w", err)
	}
	poller, err := snmp.NewPoller(snmp.PollerConfig{Timeout: o.timeout}, keys)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &client{poller: poller, timeout: o.timeout, retries: o.retries, access: who, stop: cancel, ended: make(chan error, 1)}
	go func() { c.ended <- poller.Run(ctx) }()
	return c, nil
}

// Close ends requests that are out and closes the socket.
func (c *client) Close() error {
	c.stop()
	return <-c.ended
}

// endpoint is an agent's address as it is written and as it is asked.
type endpoint struct {
	text string
	addr netip.AddrPort
}

func (e endpoint) String() string { return e.text }

// resolve finds out where an address is. The port may be left out.
func resolve(ctx context.Context, address string) (endpoint, error) {
	return resolveAt(ctx, address, DefaultPort)
}

// resolveAt is resolve with another port for addresses without one.
func resolveAt(ctx context.Context, address string, otherwise uint16) (endpoint, error) {
	text := withPortOr(address, otherwise)
	if a, err := netip.ParseAddrPort(text); err == nil && a.Port() != 0 {
		return endpoint{text, netip.AddrPortFrom(a.Addr().Unmap(), a.Port())}, nil
	}
	host, service, err := net.SplitHostPort(text)
	if err != nil || host == "" {
		return endpoint{}, usage("write it as HOST:PORT, such as 127.0.0.1:1161 or [2001:db8::7]:1161", "%q is no address", address)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return endpoint{}, usage("ports are 1 to 65535", "%q is no address: its port is %q", address, service)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return endpoint{}, &Failure{
			Code: ExitUnreachable, Err: fmt.Errorf("look up %q: %w", host, err),
			Hint: "check the host's name, or write its IP address instead",
		}
	}
	return endpoint{text, netip.AddrPortFrom(addrs[0].Unmap(), uint16(port))}, nil
}

// withPort adds the default port to an address without one.
func withPort(address string) string { return withPortOr(address, DefaultPort) }

func withPortOr(address string, otherwise uint16) string {
	bare := address
	if inner, ok := strings.CutPrefix(address, "["); ok {
		bare, _ = strings.CutSuffix(inner, "]")
	}
	if a, err := netip.ParseAddr(bare); err == nil && (bare == address || address == "["+bare+"]") {
		return netip.AddrPortFrom(a, otherwise).String()
	}
	if address != "" && !strings.ContainsAny(address, ":[]") {
		return net.JoinHostPort(address, strconv.Itoa(int(otherwise)))
	}
	return address
}

// ask puts one request. An error says in full what went wrong.
func (c *client) ask(ctx context.Context, to endpoint, req mib.Request) (mib.Response, error) {
	req.Address, req.Timeout, req.Retries = to.addr, c.timeout, c.retries
	if req.Credential == "" {
		req.Credential = reader
	}
	resp := c.poller.Do(ctx, req)
	switch {
	case resp.Err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return resp, failed("", "asking %v was interrupted", to)
	case errors.Is(resp.Err, mib.ErrTimeout):
		return resp, c.unanswered(to, req.Credential, resp.Err)
	}
	return resp, &Failure{
		Code: ExitUnreachable, Err: resp.Err,
		Hint: "is there a route from this machine to that address?",
	}
}

// get reads variables, in the order asked for; exceptions stand for what the
// agent does not have. What is too much for one answer is read in halves.
func (c *client) get(ctx context.Context, to endpoint, names ...mib.OID) ([]mib.Value, error) {
	vars := make([]mib.Variable, len(names))
	for i, n := range names {
		vars[i] = mib.Variable{Name: n, Value: mib.Value{Type: mib.TypeNull}}
	}
	req := mib.Request{Address: to.addr, Verb: mib.VerbGet, Vars: vars}
	resp, err := c.ask(ctx, to, req)
	if err != nil {
		return nil, err
	}
	if resp.Status == mib.TooBig && len(names) > 1 {
		first, err := c.get(ctx, to, names[:len(names)/2]...)
		if err != nil {
			return nil, err
		}
		second, err := c.get(ctx, to, names[len(names)/2:]...)
		return append(first, second...), err
	}
	if err := snmp.Result(req, resp); err != nil {
		return nil, failed(c.access.statusHint(reader, resp.Status), "read %v: %w", mib.NameOf(names[0]), err)
	}
	values := make([]mib.Value, len(resp.Vars))
	for i, v := range resp.Vars {
		values[i] = v.Value
	}
	return values, nil
}

// group reads scalars of one agent. Objects are named without their .0.
func (c *client) group(ctx context.Context, to endpoint, objects ...mib.OID) (cells, error) {
	names := make([]mib.OID, len(objects))
	for i, o := range objects {
		names[i] = mib.Instance(o)
	}
	values, err := c.get(ctx, to, names...)
	if err != nil {
		return nil, err
	}
	g := make(cells, len(objects))
	for i, o := range objects {
		g[o.String()] = values[i]
	}
	return g, nil
}

// write is one object to be SET.
type write struct {
	object mib.OID // without the .0
	value  mib.Value
}

// set writes objects in one SET.
func (c *client) set(ctx context.Context, to endpoint, writes ...write) error {
	if !c.access.writes() {
		return usage("give --write-community or --write-community-file, or set SIMONE_WRITE_COMMUNITY",
			"this writes, and there is no community for writing")
	}
	vars := make([]mib.Variable, len(writes))
	for i, w := range writes {
		vars[i] = mib.Variable{Name: mib.Instance(w.object), Value: w.value}
	}
	req := mib.Request{Address: to.addr, Credential: writer, Verb: mib.VerbSet, Vars: vars}
	resp, err := c.ask(ctx, to, req)
	if err != nil {
		return err
	}
	if resp.Status == mib.NoError {
		return nil
	}
	return c.refused(ctx, to, resp, vars)
}

// refused makes the error of a SET that was refused: which variable, the
// error-status, and why as far as the agent tells.
func (c *client) refused(ctx context.Context, to endpoint, resp mib.Response, vars []mib.Variable) error {
	at := vars[0].Name
	if resp.Index > 0 {
		at = vars[resp.Index-1].Name
	}
	name := mib.NameOf(at)
	err := fmt.Errorf("%v refuses to set %s: %v", to, name, resp.Status)
	hint := c.access.statusHint(writer, resp.Status)
	if why := c.reason(ctx, to, resp.Status, name); why != "" {
		err, hint = fmt.Errorf("%w: %s", err, why), ""
	}
	return &Failure{Code: ExitFailed, Err: err, Hint: hint}
}

// reason reads why an agent has just refused a SET, from simoneIlmError. What
// stands there may be about another SET, long ago: it counts if it is about
// this object, and if the object's handler came to judge the SET at all.
func (c *client) reason(ctx context.Context, to endpoint, status mib.ErrorStatus, name string) string {
	switch status {
	case mib.WrongValue, mib.InconsistentValue, mib.ResourceUnavailable, mib.CommitFailed:
	default:
		return ""
	}
	g, err := c.group(ctx, to, mib.SimoneIlmError)
	if err != nil {
		return ""
	}
	why, about := strings.CutPrefix(g.text(mib.SimoneIlmError), name+": ")
	if !about {
		return ""
	}
	return why
}
