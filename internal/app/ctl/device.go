package ctl

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	"github.com/spf13/cobra"

	"simone/internal/device"
	"simone/internal/snmp"
)

// play is what device play was told.
type play struct {
	listen string
	each   bool
	grow   uint64
	faults device.Faults
}

func newDeviceCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "device", Short: "play recorded devices, to try out what asks them"})
	var p play
	cmd := &cobra.Command{
		Use: "play FILE...", Short: "answer as recorded devices do", Args: cobra.MinimumNArgs(1),
		Long: `Answers SNMPv1 and v2c, and with --user also v3, out of recordings: files in the
snmprec format of snmpsim, which bzip2 or gzip may have compressed. What a
variation module of snmpsim would vary stays at its initial value.

One device answers to every community, or to --community alone. Several behind
one address are told apart by the community, which is the name of the file
without directory and endings; with --each every device has an address of its
own instead, counted up from --listen.

Faults make it a bad device. They are drawn from --seed.`,
		Example: `  simonectl device play switch.snmprec.bz2 --listen 127.0.0.1:1611
  simonectl device play *.snmprec --listen 127.0.1.1:1611 --each --loss 0.05`,
		RunE: func(c *cobra.Command, files []string) error { return o.play(c.Context(), p, files) },
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&p.listen, "listen", defaultAddress, "answer at `ADDRESS:PORT`; port 0 takes any, address 0.0.0.0 is every one of the machine")
	f.BoolVar(&p.each, "each", false, "give each device an address of its own")
	f.Uint64Var(&p.grow, "grow", 0, "have counters grow by `N` a second, and sysUpTime go on")
	f.DurationVar(&p.faults.Delay, "delay", 0, "how long an answer takes")
	f.DurationVar(&p.faults.Jitter, "jitter", 0, "give or take so much")
	f.Float64Var(&p.faults.Loss, "loss", 0, "`SHARE` of requests, from 0 to 1, that are not answered")
	f.Float64Var(&p.faults.Duplicate, "duplicate", 0, "`SHARE` of answers that come twice")
	f.Float64Var(&p.faults.Garbage, "garbage", 0, "`SHARE` of answers before which comes garbage")
	f.IntVar(&p.faults.TooBig, "too-big", 0, "answer tooBig where an answer would have more than `N` variables (0: never)")
	f.Uint64Var(&p.faults.Seed, "seed", 1, "the same faults for the same number")
	c.AddCommand(cmd)
	return c
}

// Playing is a device that is played.
type Playing struct {
	Name      string `json:"name"`
	Address   string `json:"address"`
	Community string `json:"community,omitempty"` // empty: any, or the one of --community
	Variables int    `json:"variables"`
}

// play answers until ctx ends.
func (o *options) play(ctx context.Context, p play, files []string) error {
	at, err := netip.ParseAddrPort(p.listen)
	if err != nil {
		return usage("write it as ADDRESS:PORT, such as 127.0.0.1:1611", "--listen %q is no address: %w", p.listen, err)
	}
	if err := p.faults.Validate(); err != nil {
		return usage("see device play --help", "%w", err)
	}
	devices, err := o.devices(p, files)
	if err != nil {
		return err
	}
	cfg := device.Config{Listen: at, Devices: devices, Grow: p.grow, Faults: p.faults}
	if way, err := o.way(); err != nil {
		return err
	} else if way == byUser {
		u, err := o.user()
		if err != nil {
			return err
		}
		cfg.User = &u
	}
	players, err := openPlayers(cfg, p.each)
	if err != nil {
		hint := "is the address one of this machine's, and its port free?"
		if !p.each && len(devices) > 1 {
			hint += " Several devices at one address need files of different names, and no --user; --each gives each an address of its own"
		}
		return failed(hint, "%w", err)
	}
	// Sockets are bound: who reads what follows can ask.
	for i, d := range devices {
		shown := Playing{Name: d.Name, Address: players[min(i, len(players)-1)].Addr().String(), Variables: d.Len()}
		if len(devices) > 1 && !p.each {
			shown.Community = string(d.Community)
		}
		if err := o.stream(shown, func(p *page) {
			community := ""
			if shown.Community != "" {
				community = " to community " + shown.Community
			}
			p.linef("%s answers at %s%s: %d variables", shown.Name, shown.Address, community, shown.Variables)
		}); err != nil {
			return errors.Join(err, closePlayers(players))
		}
	}
	return runPlayers(ctx, players)
}

// devices reads the recordings.
func (o *options) devices(p play, files []string) ([]device.Device, error) {
	only := snmp.Secret("")
	if o.community+o.communityFile != "" {
		var err error
		if only, _, err = o.communities(); err != nil {
			return nil, err
		}
	}
	shared := len(files) > 1 && !p.each
	if shared && only != "" {
		return nil, usage("leave --community out, or give --each", "several devices at one address are told apart by their communities, which are the files' names")
	}
	devices := make([]device.Device, len(files))
	for i, file := range files {
		r, err := device.Open(file)
		if err != nil {
			hint := ""
			if _, bad := errors.AsType[*device.LineError](err); bad {
				hint = "a line is OID|TAG|VALUE, as snmpsim writes it"
			}
			return nil, failed(hint, "%w", err)
		}
		devices[i] = device.Device{Recording: r, Community: only}
		if shared {
			devices[i].Community = snmp.Secret(r.Name)
		}
	}
	return devices, nil
}

// openPlayers binds the socket of all devices, or with each one for every
// device, at addresses that follow one another.
func openPlayers(cfg device.Config, each bool) ([]*device.Player, error) {
	if !each {
		p, err := device.New(cfg)
		if err != nil {
			return nil, err
		}
		return []*device.Player{p}, nil
	}
	var players []*device.Player
	at := cfg.Listen.Addr()
	for _, d := range cfg.Devices {
		one := cfg
		one.Devices = []device.Device{d}
		one.Listen = netip.AddrPortFrom(at, cfg.Listen.Port())
		p, err := device.New(one)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", d.Name, err), closePlayers(players))
		}
		players = append(players, p)
		at = at.Next()
	}
	return players, nil
}

// closePlayers closes the sockets of players that do not run.
func closePlayers(players []*device.Player) error {
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	return runPlayers(ended, players)
}

// runPlayers runs all until ctx ends or one fails.
func runPlayers(ctx context.Context, players []*device.Player) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	problems := make([]error, len(players))
	var wg sync.WaitGroup
	for i, p := range players {
		wg.Go(func() {
			if problems[i] = p.Run(ctx); problems[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	return errors.Join(problems...)
}
