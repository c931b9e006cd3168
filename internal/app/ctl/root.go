package ctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const long = `simonectl shows and changes a tree of SIMONE nodes over SNMP.

Give it the address of any node: it climbs from manager to manager up to the
TLM, and finds every node from there. What it does, snmpwalk and snmpset can
do too (simonectl mib install).

Exit codes: 0 ok; 1 an operation failed or was refused, or a check of doctor
failed; 2 the command line is wrong, or names a node that is not there;
3 nobody answers.`

// Main runs simonectl. ctx ends it early, as Ctrl-C does. extra are further
// commands of the root. ExitCode tells what to exit with.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer, extra ...*cobra.Command) error {
	return run(ctx, &options{stdout: stdout, stderr: stderr, getenv: os.Getenv}, args, extra...)
}

// run is Main in given surroundings.
func run(ctx context.Context, o *options, args []string, extra ...*cobra.Command) error {
	root := newRoot(o, extra...)
	root.SetArgs(append([]string{}, args...)) // nil would stand for those of the process
	c, err := root.ExecuteContextC(ctx)
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Failure](err); !ok && o.parsing {
		// What cobra itself finds wrong is in the command line.
		return usage(howItGoes(c, err), "%w", err)
	}
	return err
}

// howItGoes says how a command is written that cobra finds wrong.
func howItGoes(c *cobra.Command, err error) string {
	if strings.Contains(err.Error(), "flag: 'v' in -v") { // as one asks snmpwalk
		return "leave -v out: SNMPv2c is spoken, and SNMPv3 with --user"
	}
	hint := c.CommandPath() + " --help shows how it goes"
	if use := strings.TrimPrefix(c.Use, c.Name()); use != "" {
		hint = "it is " + c.CommandPath() + use + "; " + hint
	}
	return hint
}

// newRoot makes the command with all that are below it.
func newRoot(o *options, extra ...*cobra.Command) *cobra.Command {
	o.parsing = true
	root := &cobra.Command{
		Use:           "simonectl",
		Short:         "the operator's hand for a tree of SIMONE nodes",
		Long:          long,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			o.parsing = false
			return nil
		},
	}
	group(root)
	root.SetOut(o.stdout)
	root.SetErr(o.stderr)
	o.register(root)
	root.AddCommand(
		newTreeCommand(o),
		newNodeCommand(o),
		newILMCommand(o),
		newMetricsCommand(o),
		newSlowCommand(o),
		newEventsCommand(o),
		newThresholdsCommand(o),
		newReconfigCommand(o),
		newMoveCommand(o),
		newDoctorCommand(o),
		newKeysCommand(o),
		newSnmpdConfigCommand(o),
		newMIBCommand(o),
		newDeviceCommand(o),
		newProfileCommand(o),
		newGetCommand(o),
		newWalkCommand(o),
		newBackupCommand(o),
		newRestoreCommand(o),
		newStoreCommand(o),
		newBenchCommand(o),
		newVersionCommand(o),
	)
	for _, w := range wishes() {
		root.AddCommand(newWishCommand(o, w))
	}
	root.AddCommand(extra...)
	return root
}

// group makes a command that only has others below it: without one of them it
// shows its help, with an unknown one it fails.
func group(c *cobra.Command) *cobra.Command {
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		var names []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				names = append(names, sub.Name())
			}
		}
		hint := fmt.Sprintf("%s knows %s", c.CommandPath(), strings.Join(names, ", "))
		c.SuggestionsMinimumDistance = 2
		near := c.SuggestionsFor(args[0])
		if begun := slices.DeleteFunc(slices.Clone(near), func(n string) bool { return !strings.HasPrefix(n, args[0]) }); len(begun) > 0 {
			near = begun
		}
		if len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
		}
		return usage(hint, "there is no command %q", c.CommandPath()+" "+args[0])
	}
	return c
}
