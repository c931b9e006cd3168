// Simone-tlm is the SIMONE top-level manager.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"simone/internal/app/top"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal kills the process
	if err := top.Main(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "simone-tlm:", err)
		os.Exit(1)
	}
}
