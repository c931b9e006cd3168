package ctl

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
)

// options are the global flags, and what a process has around it. Every
// command gets the same ones; they are complete when a command runs.
type options struct {
	address            string
	community          string
	communityFile      string
	writeCommunity     string
	writeCommunityFile string
	v3                 userFlags
	credentials        string // a file's name
	credential         string
	writeCredential    string
	output             string // table, json or yaml
	timeout            time.Duration
	retries            int
	noColor            bool

	// parsing is true until the command line has been understood.
	parsing bool

	stdout, stderr io.Writer
	getenv         func(string) string
	// root is where /proc and the directories of MIBs are: empty but in tests.
	root string
}

// The environment variables that stand in for flags.
const (
	envAddress        = "SIMONE_ADDRESS"
	envCommunity      = "SIMONE_COMMUNITY"
	envWriteCommunity = "SIMONE_WRITE_COMMUNITY"

	envUser            = "SIMONE_USER"
	envLevel           = "SIMONE_LEVEL"
	envAuth            = "SIMONE_AUTH"
	envAuthPassphrase  = "SIMONE_AUTH_PASSPHRASE"
	envAuthFile        = "SIMONE_AUTH_FILE"
	envPriv            = "SIMONE_PRIV"
	envPrivPassphrase  = "SIMONE_PRIV_PASSPHRASE"
	envPrivFile        = "SIMONE_PRIV_FILE"
	envCredentials     = "SIMONE_CREDENTIALS"
	envCredential      = "SIMONE_CREDENTIAL"
	envWriteCredential = "SIMONE_WRITE_CREDENTIAL"
)

const (
	defaultAddress   = "127.0.0.1:1161"
	defaultCommunity = "public"
	// A SET waits up to two seconds for the TLM's disk and engine.
	defaultTimeout = 2500 * time.Millisecond
	defaultRetries = 1
)

// register declares the global flags.
func (o *options) register(root *cobra.Command) {
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVarP(&o.address, "address", "a", "", "any node of the tree, `HOST:PORT` ($"+envAddress+"; else "+defaultAddress+")")
	// Communities are no defaults of flags, so that no help shows them.
	f.StringVarP(&o.community, "community", "c", "", "community to read with ($"+envCommunity+"; else "+defaultCommunity+")")
	f.StringVar(&o.communityFile, "community-file", "", "`FILE` that holds the community to read with")
	f.StringVarP(&o.writeCommunity, "write-community", "w", "", "community to write with ($"+envWriteCommunity+"; else that of --community, if given)")
	f.StringVar(&o.writeCommunityFile, "write-community-file", "", "`FILE` that holds the community to write with")
	f.StringVarP(&o.v3.name, "user", "u", "", "user of SNMPv3 ($"+envUser+")")
	f.StringVar(&o.v3.level, "level", "", "authPriv, authNoPriv or noAuthNoPriv ($"+envLevel+"; else authPriv)")
	f.StringVar(&o.v3.auth, "auth", "", "authentication `PROTOCOL` of the user ($"+envAuth+"; else sha256)")
	f.StringVar(&o.v3.authFile, "auth-file", "", "`FILE` that holds the authentication passphrase ($"+envAuthFile+", or $"+envAuthPassphrase+" itself)")
	f.StringVar(&o.v3.priv, "priv", "", "privacy `PROTOCOL` of the user ($"+envPriv+"; else aes128)")
	f.StringVar(&o.v3.privFile, "priv-file", "", "`FILE` that holds the privacy passphrase ($"+envPrivFile+", or $"+envPrivPassphrase+" itself)")
	f.StringVar(&o.credentials, "credentials", "", "`FILE` of YAML with credentials, as of keys new or simoned ($"+envCredentials+")")
	f.StringVar(&o.credential, "credential", "", "`NAME` of the one to read with ($"+envCredential+"; else the first)")
	f.StringVar(&o.writeCredential, "write-credential", "", "`NAME` of the one to write with ($"+envWriteCredential+"; else that to read with)")
	f.StringVarP(&o.output, "output", "o", formatTable, "table, json or yaml")
	f.DurationVar(&o.timeout, "timeout", defaultTimeout, "how long to wait for an answer")
	f.IntVar(&o.retries, "retries", defaultRetries, "how often to ask again")
	f.BoolVar(&o.noColor, "no-color", false, "no colours ($NO_COLOR; there are none but on a terminal)")
}

// validate checks the global flags.
func (o *options) validate() error {
	switch o.output {
	case formatTable, formatJSON, formatYAML:
	default:
		return usage("write -o table, -o json or -o yaml", "%q is no output format", o.output)
	}
	for _, both := range []struct{ name, secret, file string }{
		{"community", o.community, o.communityFile}, {"write-community", o.writeCommunity, o.writeCommunityFile},
	} {
		if both.secret != "" && both.file != "" {
			return usage("give one of them", "--%s and --%s-file are given both", both.name, both.name)
		}
	}
	if _, err := o.way(); err != nil {
		return err
	}
	if o.timeout <= 0 {
		return usage("write it as --timeout 2s", "--timeout %v is no time to wait", o.timeout)
	}
	if o.retries < 0 || o.retries > 10 {
		return usage("write 0 to 10", "--retries %d", o.retries)
	}
	return nil
}

// target is the address that commands begin at.
func (o *options) target(ctx context.Context) (endpoint, error) {
	address := o.address
	if address == "" {
		address = o.getenv(envAddress)
	}
	if address == "" {
		address = defaultAddress
	}
	return resolve(ctx, address)
}

// visit opens a client, resolves the address to begin at, and closes the
// client when f is done.
func (o *options) visit(ctx context.Context, f func(*client, endpoint) error) error {
	at, err := o.target(ctx)
	if err != nil {
		return err
	}
	c, err := o.open()
	if err != nil {
		return err
	}
	err = f(c, at)
	if closing := c.Close(); err == nil && closing != nil {
		err = fmt.Errorf("close: %w", closing)
	}
	return err
}

// visitTop is visit, and climbs to the TLM first.
func (o *options) visitTop(ctx context.Context, f func(*client, station) error) error {
	return o.visit(ctx, func(c *client, at endpoint) error {
		tlm, err := c.top(ctx, at)
		if err != nil {
			return err
		}
		return f(c, tlm)
	})
}
