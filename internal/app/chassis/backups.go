package chassis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"simone/internal/store"
)

const (
	// BackupSocket is the name, in a daemon's state directory, of the unix
	// socket at which it hands out backups of its store: to its own user and
	// to root, as its mode is 0600.
	BackupSocket = "backup.sock"
	// BackupRequest is what is written to it. The answer is a backup, or one
	// line that begins with BackupRefusal.
	BackupRequest = "backup\n"
	// BackupRefusal begins the answer of a daemon that cannot.
	BackupRefusal = "error: "
)

// backupPatience is how long whoever takes a backup may do nothing. The store
// grows while it is read.
const backupPatience = 10 * time.Second

// Archive is a store that can be backed up while it is in use.
type Archive interface {
	Backup(w io.Writer, uuid string) (store.Header, error)
}

var _ Archive = (*store.DB)(nil)

// backups hands out backups, one at a time.
type backups struct {
	listener *net.UnixListener
	path     string
	archive  Archive
	uuid     string
	log      *slog.Logger
}

// OfferBackups binds the socket; Run serves it.
func (c *Chassis) OfferBackups(dir string, archive Archive) (err error) {
	c.backups, err = listenBackups(dir, archive, c.Node.UUID(), c.Logger)
	return err
}

func listenBackups(dir string, archive Archive, uuid string, log *slog.Logger) (*backups, error) {
	b := &backups{path: filepath.Join(dir, BackupSocket), archive: archive, uuid: uuid, log: log}
	// It gets its name when its mode is right: until then it is in a directory
	// that nobody else may enter.
	hidden, err := os.MkdirTemp(dir, ".sock")
	if err != nil {
		return nil, fmt.Errorf("backup socket: %w", err)
	}
	defer os.RemoveAll(hidden)
	at := filepath.Join(hidden, "s")
	if b.listener, err = net.ListenUnix("unix", &net.UnixAddr{Name: at, Net: "unix"}); err != nil {
		return nil, fmt.Errorf("backup socket: %w (is the name of the state directory too long? a socket's may have some 100 octets)", err)
	}
	b.listener.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(at, 0o600), os.Rename(at, b.path)); err != nil { // replaces one that a crash left
		return nil, fmt.Errorf("backup socket: %w", errors.Join(err, b.listener.Close()))
	}
	return b, nil
}

// run serves until ctx is done, and takes the socket away.
func (b *backups) run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { _ = b.listener.Close() })()
	defer os.Remove(b.path)
	for {
		conn, err := b.listener.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				_ = conn.Close()
			}
			return nil
		}
		if err != nil {
			b.log.Warn("backups can be taken only while this process is stopped", "err", err)
			<-ctx.Done()
			return nil
		}
		b.serve(ctx, conn)
	}
}

func (b *backups) serve(ctx context.Context, conn *net.UnixConn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	_ = conn.SetReadDeadline(time.Now().Add(backupPatience)) // of a socket that is open it does not fail
	line, err := bufio.NewReader(io.LimitReader(conn, 64)).ReadString('\n')
	if err != nil {
		return
	}
	if line != BackupRequest {
		_ = conn.SetWriteDeadline(time.Now().Add(backupPatience))
		fmt.Fprintf(conn, "%sthis answers %q only\n", BackupRefusal, BackupRequest)
		return
	}
	to := &patient{ctx: ctx, conn: conn}
	out := bufio.NewWriterSize(to, 1<<16)
	h, err := b.archive.Backup(out, b.uuid)
	if err == nil {
		err = out.Flush()
	}
	switch {
	case err == nil:
		b.log.Info("a backup was taken", "octets", h.Octets, "nodes", h.Nodes, "term", h.Term)
	case !to.begun:
		_ = conn.SetWriteDeadline(time.Now().Add(backupPatience))
		fmt.Fprintf(conn, "%s%v\n", BackupRefusal, err)
		fallthrough
	default:
		b.log.Warn("a backup failed", "err", err)
	}
}

// patient writes to a connection as long as the other side goes on reading.
type patient struct {
	ctx   context.Context
	conn  *net.UnixConn
	begun bool
}

// Write implements io.Writer.
func (p *patient) Write(b []byte) (int, error) {
	p.begun = true
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	if err := p.conn.SetWriteDeadline(time.Now().Add(backupPatience)); err != nil {
		return 0, err
	}
	return p.conn.Write(b)
}
