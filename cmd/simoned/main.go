// Simoned is the SIMONE agent of a machine.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"simone/internal/app/node"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process
	if err := node.Main(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "simoned:", err)
		os.Exit(1)
	}
}
