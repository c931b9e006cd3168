package ctl

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"simone/internal/config"
	"simone/profile"
)

func newProfileCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "profile", Short: "list, show and check profiles: what is read of nodes"})
	var files, mibs []string
	flags := func(c *cobra.Command) *cobra.Command {
		f := c.Flags()
		f.SortFlags = false
		f.StringArrayVarP(&mibs, "mibs", "M", nil, "find names in the MIB modules of this `DIRECTORY`")
		return c
	}
	more := func(c *cobra.Command) *cobra.Command {
		flags(c).Flags().StringArrayVarP(&files, "file", "f", nil, "with the profiles of this `FILE`, which may be an snmp.yml")
		return c
	}
	c.AddCommand(
		more(&cobra.Command{
			Use: "list", Short: "list profiles", Args: cobra.NoArgs,
			Long: `Lists the built-in profiles, and those of files, with the references by which rows
of support lists name them. What a running manager holds is in its
simoneNodeCapabilities.`,
			Example: "  simonectl profile list\n  simonectl profile list --file snmp.yml",
			RunE: func(*cobra.Command, []string) error {
				held, err := o.profiles(files, mibs)
				if err != nil {
					return err
				}
				return o.listProfiles(held.Profiles())
			},
		}),
		more(&cobra.Command{
			Use: "show NAME", Short: "show what a profile reads", Args: cobra.ExactArgs(1),
			Long: `Shows the objects of a profile with what is made of them, how often they are read
at most, and their metrics' numbers. For auto it shows the table by which devices
get their profiles.`,
			Example: "  simonectl profile show interfaces\n  simonectl profile show auto",
			RunE: func(_ *cobra.Command, args []string) error {
				held, err := o.profiles(files, mibs)
				if err != nil {
					return err
				}
				if args[0] == profile.AutoName {
					return o.showChoices(held)
				}
				return o.showProfile(held, args[0])
			},
		}),
		flags(&cobra.Command{
			Use: "check FILE...", Short: "say what is wrong in files of profiles", Args: cobra.MinimumNArgs(1),
			Long: `Reads files of profiles, or snmp.yml of Prometheus's snmp_exporter, as managers do,
says all that is wrong, and warns of what of an snmp.yml is not taken.`,
			Example: "  simonectl profile check profiles/*.yaml --mibs mib/base\n  simonectl profile check snmp.yml",
			RunE: func(_ *cobra.Command, args []string) error {
				held, err := o.profiles(args, mibs)
				if err != nil {
					return err
				}
				return o.listProfiles(slices.DeleteFunc(slices.Clone(held.Profiles()), func(p *profile.Profile) bool { return p.Source == "" }))
			},
		}),
	)
	return c
}

// profiles reads files.
func (o *options) profiles(files, mibs []string) (*profile.Set, error) {
	held, warnings, err := config.ReadProfiles(files, mibs)
	if _, ok := errors.AsType[config.Problems](err); ok {
		return nil, failed("docs/profiles.md says how profiles are written", "%w", err)
	}
	if err != nil {
		return nil, usage("name files of profiles", "%w", err)
	}
	for _, w := range warnings {
		o.warn("%s", w)
	}
	return held, nil
}

// HeldProfile is one profile of a list.
type HeldProfile struct {
	Name      string `json:"name"`
	Reference string `json:"reference"` // as rows name it
	Objects   int    `json:"objects"`
	Source    string `json:"source"` // built in, or a file
}

func (o *options) listProfiles(held []*profile.Profile) error {
	all := []HeldProfile{}
	for _, p := range held {
		all = append(all, HeldProfile{p.Name, p.Ref(), len(p.Objects), cmp.Or(p.Source, "built in")})
	}
	return o.show(all, func(p *page) {
		var rows [][]cell
		for _, h := range all {
			rows = append(rows, []cell{{h.Name, plain}, {h.Reference, plain}, {strconv.Itoa(h.Objects), plain}, {h.Source, plain}})
		}
		p.table([]string{"PROFILE", "REFERENCE", ">OBJECTS", "SOURCE"}, rows)
	})
}

// ProfileObject is one object of a profile.
type ProfileObject struct {
	Name     string  `json:"name"`
	OID      string  `json:"oid"`
	Column   bool    `json:"column"`
	As       string  `json:"as"`
	Unit     string  `json:"unit"`
	Scale    float64 `json:"scale"`
	Offset   float64 `json:"offset"`
	Interval float64 `json:"interval"` // seconds; 0: each poll
	Metric   uint32  `json:"metric"`
	Help     string  `json:"help"`
}

func (o *options) showProfile(held *profile.Set, name string) error {
	h, ok := held.Profile(name)
	if !ok {
		_, err := held.Find(name)
		return usage("simonectl profile list lists them", "%w", err)
	}
	var all []ProfileObject
	for i, m := range h.Metrics() {
		x := &h.Objects[i]
		all = append(all, ProfileObject{
			x.Name, x.OID.String(), x.Column, x.Kind.String(), x.Unit, m.Scale, x.Offset, x.Interval.Seconds(), m.Number, x.Help,
		})
	}
	return o.show(all, func(p *page) {
		var rows [][]cell
		for i, a := range all {
			every, oid := "each poll", a.OID
			if d := h.Objects[i].Interval; d > 0 {
				every = d.Round(time.Second).String()
			}
			if a.Column {
				oid += ".*"
			}
			rows = append(rows, []cell{{a.Name, plain}, {oid, plain}, {a.As, plain}, {a.Unit, plain}, {every, plain}, {fmt.Sprint(a.Metric), plain}, {a.Help, plain}})
		}
		p.table([]string{"OBJECT", "OID", "AS", "UNIT", ">EVERY", ">METRIC", "HELP"}, rows)
	})
}

// ProfileChoice is one line of the table of auto.
type ProfileChoice struct {
	Prefix   string `json:"prefix"` // of sysObjectID; empty: any
	Profiles string `json:"profiles"`
}

func (o *options) showChoices(held *profile.Set) error {
	var all []ProfileChoice
	for _, c := range held.Choices() {
		all = append(all, ProfileChoice{c.Prefix.String(), c.Profiles})
	}
	return o.show(all, func(p *page) {
		var rows [][]cell
		for _, a := range all {
			rows = append(rows, []cell{{cmp.Or(a.Prefix, "any other"), plain}, {a.Profiles, plain}})
		}
		p.table([]string{"SYSOBJECTID", "PROFILES"}, rows)
	})
}
