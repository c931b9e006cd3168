package ctl

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"simone/internal/snmp"
	"simone/mib"
)

// devicePort is where SNMP agents answer (RFC 3417, section 3.1).
const devicePort = 161

// What get and walk wait for an answer unless told otherwise; as snmpget does.
const (
	deviceTimeout = time.Second
	deviceRetries = 5
)

func newGetCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "get TARGET OID...", Short: "read variables of any SNMP agent", Args: cobra.MinimumNArgs(2),
		Long: `Reads variables and prints them as snmpget -On does. TARGET is HOST or HOST:PORT;
the port is 161 if it is left out.`,
		Example: `  simonectl get 192.0.2.7 1.3.6.1.2.1.1.3.0 -c public`,
		RunE: func(c *cobra.Command, args []string) error {
			return o.reading(c, args, func(r *reading) error { return r.get(r.roots) })
		},
	}
}

func newWalkCommand(o *options) *cobra.Command {
	return &cobra.Command{
		Use: "walk TARGET [OID]...", Short: "read subtrees of any SNMP agent", Args: cobra.MinimumNArgs(1),
		Long: `Reads subtrees, without an OID all there is, and prints them as snmpwalk -On does,
one after the other. TARGET is HOST or HOST:PORT; the port is 161 if it is left
out. What was read before something went wrong is printed.`,
		Example: `  simonectl walk 192.0.2.7 1.3.6.1.2.1.2.2 -c public`,
		RunE: func(c *cobra.Command, args []string) error {
			return o.reading(c, args, func(r *reading) error { return r.walk() })
		},
	}
}

// reading is a get or walk on its way.
type reading struct {
	*client
	ctx   context.Context
	to    endpoint
	roots []mib.OID
	out   *bufio.Writer
	json  bool
	line  []byte
	read  int // variables so far
}

// reading sets up what get and walk have in common, and has f do the rest.
func (o *options) reading(c *cobra.Command, args []string, f func(*reading) error) error {
	r := &reading{ctx: c.Context(), json: o.output == formatJSON, out: bufio.NewWriter(o.stdout)}
	if o.output == formatYAML {
		return usage("leave -o out, or write -o json for a line of JSON each", "variables are not printed as YAML")
	}
	for _, text := range args[1:] {
		oid, err := mib.ParseOID(text)
		if err != nil {
			return usage("write OIDs as numbers, such as 1.3.6.1.2.1.1.3.0; snmptranslate -On gives that of a name", "%w", err)
		}
		r.roots = append(r.roots, oid)
	}
	var err error
	if r.to, err = resolveAt(c.Context(), args[0], devicePort); err != nil {
		return err
	}
	patient := *o
	if !c.Flags().Changed("timeout") {
		patient.timeout = deviceTimeout
	}
	if !c.Flags().Changed("retries") {
		patient.retries = deviceRetries
	}
	if r.client, err = patient.open(); err != nil {
		return err
	}
	r.anybody = true
	err = f(r)
	if e := r.out.Flush(); e != nil {
		err = errors.Join(err, failed("", "write the output: %w", e))
	}
	return errors.Join(err, r.Close())
}

// print writes a variable.
func (r *reading) print(v mib.Variable) error {
	r.read++
	if r.json {
		b, err := json.Marshal(Read{OID: v.Name.String(), Type: v.Value.Type.String(), Value: string(appendSNMPValue(nil, v.Value))})
		if err != nil {
			return fmt.Errorf("make JSON: %w", err)
		}
		r.line = append(append(r.line[:0], b...), '\n')
	} else {
		r.line = appendLine(r.line[:0], v)
	}
	if _, err := r.out.Write(r.line); err != nil {
		return failed("", "write the output: %w", err)
	}
	return nil
}

// Read is a variable as get and walk print it with -o json.
type Read struct {
	OID   string `json:"oid"`
	Type  string `json:"type"`
	Value string `json:"value"` // as it stands in the table format
}

// get prints the variables of those names.
func (r *reading) get(names []mib.OID) error {
	values, err := r.client.get(r.ctx, r.to, names...)
	if err != nil {
		return err
	}
	for i, v := range values {
		if err := r.print(mib.Variable{Name: names[i], Value: v}); err != nil {
			return err
		}
	}
	return nil
}

// walk prints the subtrees.
func (r *reading) walk() error {
	if len(r.roots) == 0 {
		r.roots = []mib.OID{{}}
	}
	for _, root := range r.roots {
		before := r.read
		found := false
		base := mib.Request{Address: r.to.addr, Credential: reader, Timeout: r.timeout, Retries: r.retries}
		err := r.poller.WalkColumns(r.ctx, base, []mib.OID{root}, func(_ int, v mib.Variable) error {
			found = found || !v.Value.IsException()
			if !found {
				return nil
			}
			return r.print(v)
		})
		switch {
		case err == nil && !found && len(root) > 0:
			err = r.get([]mib.OID{root}) // it may be no subtree but a variable
		case errors.Is(err, snmp.ErrNotIncreasing), errors.Is(err, snmp.ErrEndless):
			err = failed("the agent is at fault; what came before is printed", "%w", err)
		case errors.Is(err, mib.ErrTimeout) && r.read > before:
			err = &Failure{Code: ExitUnreachable, Err: err, Hint: "it answered before: give it more time with --timeout"}
		case errors.Is(err, mib.ErrTimeout):
			err = r.unanswered(r.to, reader, err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
