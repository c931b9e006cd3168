package chassis

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime"
	"syscall"

	"simone/agent/agentx"
	"simone/agent/responder"
	"simone/internal/config"
	"simone/internal/snmp"
	"simone/mib"
)

// openFrontEnd makes what answers for the tree, and binds its socket.
func (c *Chassis) openFrontEnd(o Options) error {
	if o.Config.FrontEnd == config.FrontEndAgentX {
		return c.joinSNMPd(o)
	}
	front, err := c.openResponder(o, c.Tree)
	if err != nil {
		return err
	}
	c.FrontEnd = front
	return front.RegisterSystem(responder.System{
		Descr:    fmt.Sprintf("%s, %s/%s", Software, runtime.GOOS, runtime.GOARCH),
		ObjectID: mib.SimoneMIB, Started: c.Node.Start(), Name: o.Config.Name, Services: 72,
	})
}

// joinSNMPd makes a subagent of the machine's snmpd. That hands no
// notifications to subagents, so that whoever waits for them gets a responder
// with nothing else to it.
func (c *Chassis) joinSNMPd(o Options) error {
	cfg := o.Config
	// A name is not looked up: who asks the front end wants it for people.
	at, _ := netip.ParseAddrPort(cfg.Address())
	front, err := agentx.New(agentx.Config{
		Master: cfg.AgentX.Master, Priority: cfg.AgentX.Priority, Contexts: cfg.AgentX.Contexts,
		Addr: at, Description: Software + " " + cfg.Name, Logger: c.Logger,
		Observe: func(verb mib.Verb, vars []mib.Variable) { c.observe(responder.Observation{Verb: verb, Vars: vars}) },
	}, c.Tree)
	if err != nil {
		return err
	}
	c.FrontEnd = front
	if o.Notify != nil && cfg.Informed() {
		c.informs, err = c.openResponder(o, mib.NewTree())
	}
	return err
}

// openResponder makes the built-in responder for a tree.
func (c *Chassis) openResponder(o Options, tree *mib.Tree) (*responder.Responder, error) {
	communities, err := communities(o.Config)
	if err != nil {
		return nil, err
	}
	users, err := users(o.Config)
	if err != nil {
		return nil, err
	}
	engineID, err := snmp.EngineID(c.Node.UUIDOctets())
	if err != nil {
		return nil, err
	}
	r, err := responder.New(responder.Config{
		Listen: o.Config.Listen, Communities: communities, Users: users, EngineID: engineID, Boots: c.Node.EngineBoots(),
		Notify: o.Notify, Observe: c.observe, Logger: c.Logger,
	}, tree)
	if err != nil {
		return nil, fmt.Errorf("%w%s", err, bindAdvice(err))
	}
	return r, nil
}

// Whereabouts says for a log where the front end answers.
func (c *Chassis) Whereabouts(cfg *config.Node) slog.Attr {
	if cfg.FrontEnd != config.FrontEndAgentX {
		return slog.Any("listen", c.FrontEnd.Addr())
	}
	at := []any{slog.String("advertise", cfg.Address()), slog.String("master", cfg.AgentX.Master)}
	if c.informs != nil {
		at = append(at, slog.Any("informs", c.informs.Addr()))
	}
	return slog.Group("agentx", at...)
}

// bindAdvice is what to do when the front end cannot have its address.
func bindAdvice(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return ": stop the process that has it, or set listen to another address or port"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return ": set listen to an address of this machine"
	case errors.Is(err, syscall.EACCES):
		return ": ports below 1024 are for root; set listen to a higher one"
	}
	return ""
}

func communities(cfg *config.Node) ([]responder.Community, error) {
	var out []responder.Community
	for i := range cfg.Communities {
		in := &cfg.Communities[i]
		v, err := in.View()
		if err != nil {
			return nil, fmt.Errorf("community %d: %w", i+1, err)
		}
		name := in.Name
		if name == "" {
			name = fmt.Sprintf("community %d", i+1)
		}
		com := responder.Community{Name: name, Secret: snmp.Secret(in.Community.Reveal()), Notify: in.Notify, Sources: v.Sources}
		com.View, com.Write = views(v)
		out = append(out, com)
	}
	return out, nil
}

// views are what may be read and written.
func views(v config.View) (read responder.View, write *responder.View) {
	read = responder.View{Include: v.Read, Exclude: v.Hide}
	if len(v.Read) == 0 { // nothing, not everything
		read = responder.View{Exclude: []mib.OID{{}}}
	}
	if len(v.Write) > 0 {
		write = &responder.View{Include: v.Write, Exclude: v.Hide}
	}
	return read, write
}

func users(cfg *config.Node) ([]responder.User, error) {
	var out []responder.User
	for i := range cfg.Users {
		in := &cfg.Users[i]
		v, err := in.View()
		if err != nil {
			return nil, fmt.Errorf("user %s: %w", in.Name, err)
		}
		u := responder.User{Notify: in.Notify, Sources: v.Sources}
		if u.User, err = user(in.Name, &in.Security); err != nil {
			return nil, fmt.Errorf("user %s: %w", in.Name, err)
		}
		u.View, u.Write = views(v)
		out = append(out, u)
	}
	return out, nil
}

// Watch has f told of each request that the front end receives; of one that
// came through an snmpd only verb and variables are known. Call it before Run;
// f must be quick.
func (c *Chassis) Watch(f func(responder.Observation)) { c.watchers = append(c.watchers, f) }

func (c *Chassis) observe(o responder.Observation) {
	for _, f := range c.watchers {
		f(o)
	}
}
