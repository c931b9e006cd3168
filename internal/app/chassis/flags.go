package chassis

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"simone/internal/config"
)

// Flags are what both daemons take on their command lines.
type Flags struct {
	Config    string
	Check     bool
	Overrides []config.Override
}

// ErrUsage says that the command line was wrong; what is wrong has been
// printed.
var ErrUsage = errors.New("see -help")

// ParseFlags reads a daemon's command line. done says that there is nothing
// more to do (help or version was asked for and printed). more adds flags of
// the daemon's own; nil adds none.
func ParseFlags(name string, args []string, stdout, stderr io.Writer, more func(*flag.FlagSet)) (f Flags, done bool, err error) {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(stderr)
	set.StringVar(&f.Config, "config", "", "`file` to read; the defaults if not given")
	set.BoolVar(&f.Check, "check", false, "read and check the configuration, then exit")
	if more != nil {
		more(set)
	}
	version := set.Bool("version", false, "print the version and exit")
	set.Func("set", "`key=value` that overrides the file; may be given several times", func(s string) error {
		o, err := config.ParseOverride(s)
		f.Overrides = append(f.Overrides, o)
		return err
	})
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return f, true, nil
	case err != nil:
		return f, false, ErrUsage
	}
	if set.NArg() > 0 {
		return f, false, fmt.Errorf("unexpected argument %q: %s takes flags only (-config FILE, -set key=value)", set.Arg(0), name)
	}
	if *version {
		fmt.Fprintln(stdout, name, Version)
		return f, true, nil
	}
	return f, false, nil
}

// Logger makes the process's logger; its level can be changed.
func Logger(c config.Log, w io.Writer) (*slog.Logger, *slog.LevelVar) {
	level := new(slog.LevelVar)
	level.Set(c.Slog())
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), level
	}
	return slog.New(slog.NewTextHandler(w, o)), level
}

// Parts are the parts of a configuration in which keys such as
// temperature.history or credentials[0].name have changed: temperature,
// credentials.
func Parts(keys []string) []string {
	var parts []string
	for _, k := range keys {
		if i := strings.IndexAny(k, ".["); i >= 0 {
			k = k[:i]
		}
		if !slices.Contains(parts, k) {
			parts = append(parts, k)
		}
	}
	return parts
}

// OnHangup calls reload for every SIGHUP until stop is called, which waits for
// a reload under way.
func OnHangup(reload func()) (stop func()) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	over := make(chan struct{})
	var joined sync.WaitGroup
	joined.Go(func() {
		for {
			select {
			case <-over:
				return
			case <-hangup:
				reload()
			}
		}
	})
	return func() {
		signal.Stop(hangup)
		close(over)
		joined.Wait()
	}
}
