package agentx

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"simone/mib"
)

// What a Config has where it says nothing.
const (
	DefaultMaster     = "unix:/var/agentx/master" // as net-snmp's
	DefaultPriority   = 127                       // RFC 2741, section 6.2.3
	DefaultPing       = 15 * time.Second
	DefaultTimeout    = 5 * time.Second
	DefaultSetTimeout = 10 * time.Second
)

// Config is how a Subagent is set up.
type Config struct {
	// Master is where the snmpd takes subagents, its agentXSocket:
	// unix:/path or tcp:host:port. Empty is DefaultMaster.
	Master string
	// Addr is where the snmpd answers SNMP, for who asks the front end.
	Addr netip.AddrPort
	// Description is what the snmpd calls the session.
	Description string
	// Subtrees are what is registered; none is the root of SIMONE-MIB. The
	// session stands only when all are.
	Subtrees []mib.OID
	// Optional subtrees are registered too, and tried again every Ping if the
	// snmpd refuses one.
	Optional []mib.OID
	// Priority is 1 to 255; of two subagents that register the same subtree
	// the one with the lower number answers. 0 is DefaultPriority.
	Priority int
	// Contexts are the SNMP contexts that are registered and answered; ""
	// is the default context, and what none means. Every other is answered
	// with unsupportedContext.
	Contexts []string
	// Capabilities, if it has an ID, goes to the snmpd's sysORTable.
	Capabilities Capabilities
	// MasterTimeout is what the snmpd is asked to wait for answers: whole
	// seconds, at most 255; 0 leaves it to the snmpd.
	MasterTimeout time.Duration
	// Timeout is how long the snmpd has to take the connection and each
	// request; 0 is DefaultTimeout.
	Timeout time.Duration
	// Ping is how often an idle connection is probed; 0 is DefaultPing. The
	// connection is given up when a probe is not answered.
	Ping time.Duration
	// SetTimeout is how long a SET may wait for the snmpd's next step, while
	// it holds up other SETs on the tree; 0 is DefaultSetTimeout. It has to
	// be longer than the snmpd waits for other subagents.
	SetTimeout time.Duration
	// Observe, if not nil, is told of each request before it is answered: a
	// Get, a GetNext (GETBULK comes as that from net-snmp), or a SET when it
	// is tested. vars are valid, with all they point to, until it returns,
	// which must be quick. Who asks is not known.
	Observe func(verb mib.Verb, vars []mib.Variable)
	// Logger hears of connections and of handlers that panic; nil is
	// slog.Default().
	Logger *slog.Logger
}

// Capabilities is an entry of the snmpd's sysORTable (RFC 3418).
type Capabilities struct {
	ID    mib.OID
	Descr string
}

// withDefaults checks the configuration and fills in what it leaves open.
func (c Config) withDefaults() (Config, error) {
	if c.Master == "" {
		c.Master = DefaultMaster
	}
	if _, _, err := splitMaster(c.Master); err != nil {
		return c, err
	}
	if len(c.Subtrees) == 0 {
		c.Subtrees = []mib.OID{mib.SimoneMIB}
	}
	if c.Priority == 0 {
		c.Priority = DefaultPriority
	}
	if c.Priority < 1 || c.Priority > 255 {
		return c, fmt.Errorf("priority %d; it is 1 to 255, and the lower one wins", c.Priority)
	}
	if len(c.Contexts) == 0 {
		c.Contexts = []string{""}
	}
	all := slices.Concat(c.Subtrees, c.Optional)
	for i, o := range all {
		if len(o) == 0 || len(o) > mib.MaxOIDLen {
			return c, fmt.Errorf("subtree %d has %d parts; it is to have 1 to %d", i+1, len(o), mib.MaxOIDLen)
		}
		if slices.ContainsFunc(all[:i], o.Equal) {
			return c, fmt.Errorf("subtree %v stands there twice", o)
		}
	}
	for i, name := range c.Contexts {
		if slices.Contains(c.Contexts[:i], name) {
			return c, fmt.Errorf("context %q stands there twice", name)
		}
	}
	if c.MasterTimeout < 0 || c.MasterTimeout > 255*time.Second || c.MasterTimeout%time.Second != 0 {
		return c, fmt.Errorf("the snmpd is to wait for %v; it is whole seconds, at most 255", c.MasterTimeout)
	}
	for _, d := range []struct {
		what  string
		value *time.Duration
		usual time.Duration
	}{
		{"a time-out", &c.Timeout, DefaultTimeout},
		{"a ping", &c.Ping, DefaultPing},
		{"a SET's time-out", &c.SetTimeout, DefaultSetTimeout},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("%s of %v", d.what, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.usual
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, nil
}

// splitMaster gives network and address for a dialer.
func splitMaster(s string) (network, address string, err error) {
	kind, rest, ok := strings.Cut(s, ":")
	switch {
	case strings.HasPrefix(s, "/"):
		return "unix", s, nil
	case ok && kind == "unix" && filepath.IsAbs(rest):
		return "unix", rest, nil
	case ok && kind == "tcp":
		host, port, err := net.SplitHostPort(rest)
		if err != nil || host == "" || port == "" {
			break
		}
		return "tcp", rest, nil
	}
	return "", "", fmt.Errorf("master %q: write it as the snmpd's agentXSocket, unix:/path or tcp:host:port", s)
}
