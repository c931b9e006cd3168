// Command simonectl shows and changes a tree of SIMONE nodes.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"simone/internal/app/ctl"
	"simone/internal/app/demo"
	"simone/internal/app/sim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process
	err := ctl.Main(ctx, os.Args[1:], os.Stdout, os.Stderr, demo.Command(), sim.Command())
	if err != nil {
		fmt.Fprintln(os.Stderr, "simonectl:", err)
	}
	os.Exit(ctl.ExitCode(err))
}
