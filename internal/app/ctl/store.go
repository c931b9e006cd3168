package ctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"simone/internal/app/chassis"
	"simone/internal/store"
)

// place is where a daemon of this machine keeps its store.
type place struct{ state, store string }

// register declares the flags that name it.
func (p *place) register(c *cobra.Command) {
	c.Flags().StringVar(&p.state, "state", "", "state `DIR` of the daemon, as in its configuration")
	c.Flags().StringVar(&p.store, "store", "", "`FILE` of the store, if it is elsewhere than in the state directory")
}

// resolve fills in what follows from the other, for a store of that kind; "":
// of the kind that is there.
func (p *place) resolve(kind store.Kind) error {
	switch {
	case p.state == "" && p.store == "":
		return usage("write --state and what state is in the daemon's configuration (var/NAME if it is left out)", "whose store?")
	case p.state == "":
		p.state = filepath.Dir(p.store)
		return nil
	case p.store != "":
		return nil
	}
	names := map[store.Kind]string{store.KindTLM: "tlm.db", store.KindNode: "node.db"}
	if kind != "" {
		p.store = filepath.Join(p.state, names[kind])
		return nil
	}
	for _, k := range []store.Kind{store.KindTLM, store.KindNode} {
		file := filepath.Join(p.state, names[k])
		if _, err := os.Stat(file); err == nil {
			p.store = file
			return nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return failed("run this as the daemon's user, or as root", "%w", err)
		}
	}
	return usage("write --state and what state is in the daemon's configuration, and --store if store is there too",
		"there is neither a tlm.db nor a node.db in %s", p.state)
}

// uuid is the one in the state directory; "" if there is none.
func (p *place) uuid() (string, error) {
	b, err := os.ReadFile(filepath.Join(p.state, "uuid"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(b)), err
}

// StoreReport is what a store, or a backup of one, is of.
type StoreReport struct {
	File  string `json:"file"`
	Kind  string `json:"kind"` // tlm or node
	UUID  string `json:"uuid"` // of the node whose it is; empty: not said
	Made  string `json:"made"` // when the backup was made; empty for a store
	Term  uint32 `json:"term"`
	Nodes int    `json:"nodes"`
	Rows  int    `json:"rows"`
	Size  int64  `json:"octets"`
	Free  int64  `json:"octets_free"`
	Kept  string `json:"kept"` // of restore: where the replaced store is
	Text  string `json:"text"`
}

func report(file string, h store.Header, format string, args ...any) StoreReport {
	return StoreReport{
		File: file, Kind: string(h.Kind), UUID: h.UUID, Term: h.Term, Nodes: h.Nodes, Rows: h.Rows, Size: h.Octets,
		Made: h.Made.Format(time.RFC3339), Text: fmt.Sprintf(format, args...),
	}
}

// reported shows it.
func (o *options) reported(r StoreReport) error {
	return o.show(r, func(p *page) { p.linef("%s", r.Text) })
}

func newBackupCommand(o *options) *cobra.Command {
	var at place
	force := false
	c := &cobra.Command{
		Use: "backup FILE", Short: "write a backup of a store of this machine, running or not", Args: cobra.ExactArgs(1),
		Long: `Writes a backup of the store of a daemon on this machine: of simone-tlm, or of a
simoned. A daemon that runs hands it out itself, at the socket ` + chassis.BackupSocket + ` in its
state directory, and goes on meanwhile. The backup has a header and a check sum
and is checked before it gets its name.`,
		Example: "  simonectl backup --state /var/lib/simone/tlm tlm-monday.backup",
		RunE: func(c *cobra.Command, args []string) error {
			if err := at.resolve(""); err != nil {
				return err
			}
			h, how, err := takeBackup(c.Context(), at, args[0], force)
			if err != nil {
				return storeFailure("back up", err)
			}
			return o.reported(report(args[0], h, "%s: term %d, %s, %s; taken from %s, %s",
				args[0], h.Term, count(h.Nodes, "node"), count(h.Rows, "row"), at.store, how))
		},
	}
	at.register(c)
	c.Flags().BoolVar(&force, "force", false, "write over FILE if it is there")
	return c
}

// takeBackup writes a backup to a file, which gets its name when it is whole.
func takeBackup(ctx context.Context, at place, file string, force bool) (h store.Header, how string, err error) {
	if _, err := os.Stat(file); err == nil && !force {
		return h, "", usage("name another file, or add --force", "%s is there already", file)
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*") // of mode 600: it holds all
	if err != nil {
		return h, "", err
	}
	defer os.Remove(f.Name()) // fails once it is renamed
	how = "while its daemon runs"
	h, err = fromDaemon(ctx, filepath.Join(at.state, chassis.BackupSocket), f)
	if errors.Is(err, errNoDaemon) {
		how = "which nobody had open"
		h, err = fromStore(at, f)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return h, how, err
	}
	return h, how, os.Rename(f.Name(), file)
}

// errNoDaemon says that nobody answers at the socket.
var errNoDaemon = errors.New("no daemon runs there")

// fromDaemon has a daemon that runs back its store up.
func fromDaemon(ctx context.Context, socket string, to io.Writer) (store.Header, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", socket)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EINVAL): // the last: too long a name
		return store.Header{}, errNoDaemon
	case err != nil:
		return store.Header{}, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	if _, err := io.WriteString(conn, chassis.BackupRequest); err != nil {
		return store.Header{}, err
	}
	in := bufio.NewReader(conn)
	if begin, _ := in.Peek(len(chassis.BackupRefusal)); string(begin) == chassis.BackupRefusal {
		line, _ := in.ReadString('\n')
		return store.Header{}, failed("", "the daemon: %s", strings.TrimSpace(strings.TrimPrefix(line, chassis.BackupRefusal)))
	}
	return store.CopyBackup(to, in, "what the daemon sent")
}

// fromStore backs a store up that nobody has open.
func fromStore(at place, to io.Writer) (store.Header, error) {
	if _, err := os.Stat(at.store); err != nil {
		return store.Header{}, err
	}
	uuid, err := at.uuid()
	if err != nil {
		return store.Header{}, err
	}
	db, err := store.Open(at.store)
	if err != nil {
		return store.Header{}, err
	}
	out := bufio.NewWriterSize(to, 1<<16)
	h, err := db.Backup(out, uuid)
	return h, errors.Join(err, out.Flush(), db.Close())
}

func newRestoreCommand(o *options) *cobra.Command {
	var at place
	c := &cobra.Command{
		Use: "restore FILE", Short: "put a backup back as the store of a daemon that is stopped", Args: cobra.ExactArgs(1),
		Long: `Puts a backup back in the place of a daemon's store. All of the backup is checked
before anything changes, and the store that was there is kept beside it. The
daemon must not run. When it starts it begins a term that was not used before, so
nothing has to be said to it; then it takes over the tree as it finds it. The
same backup may be put back more than once.`,
		Example: "  simonectl restore --state /var/lib/simone/tlm tlm-monday.backup",
		RunE: func(c *cobra.Command, args []string) error {
			r, err := putBack(&at, args[0])
			if err != nil {
				return storeFailure("restore", err)
			}
			text := fmt.Sprintf("%s is put back as %s: of %s, %s", args[0], at.store, r.Header.Made.Format(time.RFC3339), count(r.Header.Nodes, "node"))
			if r.Kept != "" {
				text += "; what was there is kept as " + r.Kept
			}
			done := report(at.store, r.Header, "%s. Start the daemon; take a new backup when the tree has settled", text)
			done.Term, done.Kept = r.Term, r.Kept
			return o.reported(done)
		},
	}
	at.register(c)
	return c
}

// putBack restores a backup to where it belongs.
func putBack(at *place, file string) (store.Restored, error) {
	f, err := os.Open(file)
	if err != nil {
		return store.Restored{}, err
	}
	defer f.Close()
	h, err := store.CopyBackup(io.Discard, f, file) // what it is says where it goes
	if err != nil {
		return store.Restored{}, err
	}
	if err := at.resolve(h.Kind); err != nil {
		return store.Restored{}, err
	}
	other := map[store.Kind]string{store.KindTLM: "node.db", store.KindNode: "tlm.db"}[h.Kind]
	if _, err := os.Stat(filepath.Join(at.state, other)); err == nil {
		return store.Restored{}, usage("name the state directory that it was taken from", "%s is a backup of a %s, and %s has a %s", file, h.Kind, at.state, other)
	}
	uuid, err := at.uuid()
	if err != nil {
		return store.Restored{}, err
	}
	if uuid != "" && h.UUID != "" && uuid != h.UUID {
		return store.Restored{}, usage("name the state directory that it was taken from, or one that is new; the file uuid in it says whose it is",
			"%s is a backup of the node %s, and %s belongs to %s", file, h.UUID, at.state, uuid)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return store.Restored{}, err
	}
	r, err := store.Restore(at.store, f, file, func(again store.Header) error {
		if again != h {
			return failed("", "%s changes while it is read", file)
		}
		return nil
	})
	if err != nil || uuid != "" || h.UUID == "" {
		return r, err
	}
	// On a machine that has nothing yet, it is who it was.
	return r, replaceFile(filepath.Join(at.state, "uuid"), h.UUID+"\n")
}

func newStoreCommand(o *options) *cobra.Command {
	c := group(&cobra.Command{Use: "store", Short: "check or compact a store of this machine, whose daemon is stopped"})
	var checked, compacted place
	check := &cobra.Command{
		Use: "check [BACKUP]", Short: "check a store from end to end, or a backup", Args: cobra.MaximumNArgs(1),
		Long: `Checks every page, record and key of the store of a daemon that is stopped; or of
a backup, which can be taken while the daemon runs. Daemons make the same check
when they start, but for stores above 64 MiB, where they leave out to look up
each sample by its key.`,
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := checkStore(&checked, args)
			if err != nil {
				return storeFailure("check", err)
			}
			return o.reported(r)
		},
	}
	checked.register(check)
	compact := &cobra.Command{
		Use: "compact", Short: "write a store anew without what is free in it", Args: cobra.NoArgs,
		Long: `Writes the store of a daemon that is stopped anew, without its free pages, checks
the copy and puts it in its place at once. Daemons do so themselves when they
start and find their store above 8 MiB and more than half of it free.`,
		RunE: func(*cobra.Command, []string) error {
			if err := compacted.resolve(""); err != nil {
				return err
			}
			before, after, err := store.Compact(compacted.store)
			if err != nil {
				return storeFailure("compact", err)
			}
			return o.reported(StoreReport{
				File: compacted.store, Size: after,
				Text: fmt.Sprintf("%s is compacted: from %d to %d KiB", compacted.store, before>>10, after>>10),
			})
		},
	}
	compacted.register(compact)
	c.AddCommand(check, compact)
	return c
}

func checkStore(at *place, args []string) (StoreReport, error) {
	if len(args) == 1 {
		if at.state != "" || at.store != "" {
			return StoreReport{}, usage("leave one of them out", "a backup and a store are named both")
		}
		return checkBackup(args[0])
	}
	if err := at.resolve(""); err != nil {
		return StoreReport{}, err
	}
	h, space, err := store.Check(at.store)
	if err != nil {
		return StoreReport{}, err
	}
	r := report(at.store, h, "%s is in order: term %d, %s, %s, %d KiB of which %d are free",
		at.store, h.Term, count(h.Nodes, "node"), count(h.Rows, "row"), space.Size>>10, space.Free>>10)
	r.Made, r.Size, r.Free = "", space.Size, space.Free
	return r, nil
}

// checkBackup puts a backup back where nobody looks.
func checkBackup(file string) (StoreReport, error) {
	f, err := os.Open(file)
	if err != nil {
		return StoreReport{}, err
	}
	defer f.Close()
	dir, err := os.MkdirTemp("", "simone-check-")
	if err != nil {
		return StoreReport{}, err
	}
	defer os.RemoveAll(dir)
	r, err := store.Restore(filepath.Join(dir, "store"), f, file, nil)
	if err != nil {
		return StoreReport{}, err
	}
	return report(file, r.Header, "%s is in order: of %s, term %d, %s, %s", file, r.Header.Made.Format(time.RFC3339), r.Header.Term,
		count(r.Header.Nodes, "node"), count(r.Header.Rows, "row")), nil
}

// storeFailure says what to do next about an error with a store.
func storeFailure(what string, err error) error {
	if _, ok := errors.AsType[*Failure](err); ok {
		return err
	}
	hint := ""
	switch {
	case errors.Is(err, store.ErrLocked) && what == "back up":
		hint = "a daemon has it open and offers no backup in that directory: write --state as in its configuration, or stop it first"
	case errors.Is(err, store.ErrLocked) && what == "check":
		hint = "stop the daemon first; or take a backup, which it hands out while it runs, and check that"
	case errors.Is(err, store.ErrLocked):
		hint = "stop the daemon first"
	case errors.Is(err, fs.ErrPermission):
		hint = "run this as the daemon's user, or as root"
	}
	return failed(hint, "%s: %w", what, err)
}
