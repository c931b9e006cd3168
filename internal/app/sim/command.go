package sim

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// Command is simonectl sim with all that are below it.
func Command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Run the shipped core in virtual time",
		Long:  "Sim runs the code that decides and moves nodes in simonectl's own process, in\nvirtual time and without a network. It needs no tree.",
		Args:  cobra.ArbitraryArgs,
	}
	cmd.AddCommand(commands()...)
	if cmd.HasSubCommands() {
		cmd.RunE = func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			var names []string
			for _, sub := range c.Commands() {
				if sub.IsAvailableCommand() {
					names = append(names, sub.Name())
				}
			}
			return fmt.Errorf("there is no command %q: %s knows %s", c.CommandPath()+" "+args[0], c.CommandPath(), strings.Join(names, ", "))
		}
	}
	return cmd
}

// commands are those below sim, each in a file of its own.
func commands() []*cobra.Command {
	return []*cobra.Command{faultsCommand(), growCommand(), runCommand(), sweepCommand(), reportCommand(), policiesCommand()}
}

// format is what -o of the root command asks for: table, json or yaml.
func format(cmd *cobra.Command) string {
	if f := cmd.Flag("output"); f != nil {
		return f.Value.String()
	}
	return "table"
}
