//go:build linux

package testbed

import (
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Etcd is an etcd server of Debian's as a process on loopback, with its data
// in a directory of the test's.
type Etcd struct {
	tb   testing.TB
	dir  string
	peer string
	// Endpoint is where clients find it, host:port.
	Endpoint string
	secure   *Keys // nil: it talks to everybody in the clear

	cmd  *exec.Cmd
	log  lockedBuffer
	done chan struct{}
}

// lockedBuffer collects what a process writes.
type lockedBuffer struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write implements io.Writer.
func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// StartEtcd runs an etcd until the end of the test. Without one installed the
// test is skipped, but not in CI.
func StartEtcd(tb testing.TB) *Etcd { return startEtcd(tb, nil) }

// StartSecureEtcd runs an etcd that wants to see a certificate.
func StartSecureEtcd(tb testing.TB, keys *Keys) *Etcd { return startEtcd(tb, keys) }

func startEtcd(tb testing.TB, keys *Keys) *Etcd {
	tb.Helper()
	needEtcd(tb)
	e := &Etcd{tb: tb, dir: tb.TempDir(), secure: keys, Endpoint: freeTCP(tb), peer: freeTCP(tb)}
	e.Start()
	tb.Cleanup(func() {
		e.Kill()
		if tb.Failed() {
			tb.Logf("--- etcd\n%s", e.log.String())
		}
	})
	return e
}

// needEtcd skips the test where there is no etcd; CI must have it.
func needEtcd(tb testing.TB) {
	tb.Helper()
	if _, err := exec.LookPath("etcd"); err != nil {
		if os.Getenv("CI") == "true" {
			tb.Fatal("etcd is missing; install the package etcd-server")
		}
		tb.Skip("etcd is not installed (package etcd-server)")
	}
}

// freeTCP is a TCP address on loopback that was free a moment ago.
func freeTCP(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Start starts it, again if need be, and waits until it answers.
func (e *Etcd) Start(args ...string) {
	e.tb.Helper()
	if k := e.secure; k != nil { // of what is said twice the last counts
		args = append([]string{
			"--listen-client-urls", e.url(), "--advertise-client-urls", e.url(),
			"--cert-file", k.Cert, "--key-file", k.Key, "--trusted-ca-file", k.CA, "--client-cert-auth",
			"--bcrypt-cost", "4", // passwords are to be checked in no time
		}, args...)
	}
	e.cmd = etcdCommand(e.dir, e.Endpoint, e.peer, args...)
	e.cmd.Stdout, e.cmd.Stderr = &e.log, &e.log
	e.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := e.cmd.Start(); err != nil {
		e.tb.Fatalf("start etcd: %v", err)
	}
	done := make(chan struct{})
	e.done = done
	go func() {
		_ = e.cmd.Wait()
		close(done)
	}()
	const limit = 20 * time.Second
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		ill := e.ill()
		if ill == nil {
			return
		}
		select {
		case <-done:
			e.tb.Fatalf("etcd ended:\n%s", e.log.String())
		case <-tick.C:
		}
		if time.Since(began) > limit {
			e.tb.Fatalf("etcd does not answer within %v: %v\n%s", limit, ill, e.log.String())
		}
	}
}

// etcdCommand runs an etcd of one server, with its data in dir.
func etcdCommand(dir, endpoint, peer string, args ...string) *exec.Cmd {
	client, peer := "http://"+endpoint, "http://"+peer
	cmd := exec.Command("etcd", append([]string{
		"--name", "test", "--data-dir", filepath.Join(dir, "data"), "--log-level", "error",
		"--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "test=" + peer,
	}, args...)...)
	// Where etcd is not supported officially it asks to be told that this is known.
	cmd.Env = append(os.Environ(), "ETCD_UNSUPPORTED_ARCH=arm64")
	return cmd
}

func (e *Etcd) url() string {
	if e.secure != nil {
		return "https://" + e.Endpoint
	}
	return "http://" + e.Endpoint
}

// get reads a page of it.
func (e *Etcd) get(path string) (*http.Response, error) {
	client := http.Client{Timeout: time.Second}
	if e.secure != nil {
		client.Transport = &http.Transport{TLSClientConfig: e.secure.Config(e.tb)}
	}
	return client.Get(e.url() + path)
}

// ill is why it cannot be used yet.
func (e *Etcd) ill() error {
	answer, err := e.get("/health")
	if err != nil {
		return err
	}
	_ = answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return nil
}

// Kill ends it without warning, and waits until it is gone.
func (e *Etcd) Kill() {
	_ = e.cmd.Process.Kill() // fails if it has ended
	<-e.done
}

// Signal sends it a signal, as SIGSTOP.
func (e *Etcd) Signal(s os.Signal) {
	e.tb.Helper()
	if err := e.cmd.Process.Signal(s); err != nil {
		e.tb.Fatalf("%v to etcd: %v", s, err)
	}
}
