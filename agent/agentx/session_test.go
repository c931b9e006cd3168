package agentx

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"simone/agent"
	"simone/mib"
)

var _ agent.FrontEnd = (*Subagent)(nil)

// RFC 2741, sections 7.1.1 and 7.1.4: what is asked of the master, and what
// is known afterwards.
func TestSessionEstablishment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := logger()
		m, a := newMaster(t, Config{
			Description: "simoned", Priority: 20, MasterTimeout: 3 * time.Second, Logger: log,
			Subtrees:     []mib.OID{mib.SimoneMIB, mib.MustOID("1.3.6.1.2.1.63")},
			Capabilities: Capabilities{ID: mib.SimoneMIB, Descr: "SIMONE-MIB"},
		}, newFixture(t, 0).tree)
		if s := a.State(); s.Connected || s.Err != nil || !s.Since.IsZero() {
			t.Errorf("at first: %+v", s)
		}
		if _, ok := a.Uptime(); ok {
			t.Error("there is an uptime before anything was heard")
		}
		stop := run(t, a)
		asked := m.establish(7, 3)
		open, first, second, caps := asked[0], asked[1], asked[2], asked[3]
		if open.Type != TypeOpen || open.Timeout != 3 || string(open.Descr) != "simoned" || open.Flags != FlagNetworkOrder {
			t.Errorf("opened with %+v", open)
		}
		if first.Type != TypeRegister || first.Priority != 20 || !first.ID.Equal(mib.SimoneMIB) || first.Session != 7 {
			t.Errorf("registered with %+v", first)
		}
		if !second.ID.Equal(mib.MustOID("1.3.6.1.2.1.63")) {
			t.Errorf("registered with %+v", second)
		}
		if caps.Type != TypeAddAgentCaps || string(caps.Descr) != "SIMONE-MIB" {
			t.Errorf("added %+v", caps)
		}
		if s := a.State(); !s.Connected || s.Err != nil || !s.Since.Equal(time.Now()) {
			t.Errorf("afterwards: %+v", s)
		}
		time.Sleep(3 * time.Second)
		if ticks, ok := a.Uptime(); !ok || ticks != 100+300 {
			t.Errorf("the uptime is %d, %v", ticks, ok)
		}
		m.finish(stop)
		if s := a.State(); s.Connected {
			t.Errorf("at the end: %+v", s)
		}
		if got := strings.Count(said.String(), "\n"); got != 2 || strings.Contains(said.String(), "level=WARN") {
			t.Errorf("the log says\n%s", said)
		}
		if s := a.Stats(); s.Connects != 1 || s.Losses != 0 || s.Failures != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// An snmpd that is away is found soon after it is back, however long it was
// away, and the log hears of it once.
func TestReconnect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := logger()
		m, a := newMaster(t, Config{Logger: log, Ping: time.Hour}, newFixture(t, 0).tree)
		stop := run(t, a)
		for round := range 3 {
			m.establish(uint32(round+1), 1)
			time.Sleep(time.Minute)
			var away error = &net.OpError{Op: "dial", Net: "unix", Err: os.NewSyscallError("connect", syscall.ENOENT)}
			m.refused.Store(&away)
			_ = m.conn.Close()
			time.Sleep(10 * time.Minute)
			if s := a.State(); s.Connected || !errors.Is(s.Err, fs.ErrNotExist) {
				t.Errorf("%+v", s)
			}
			m.refused.Store(nil)
			began := time.Now()
			m.accept()
			if took := time.Since(began); took > time.Second {
				t.Errorf("found again after %v", took)
			}
			_ = m.conn.Close() // and it goes again, and comes back
		}
		m.establish(9, 1)
		m.finish(stop)
		for text, want := range map[string]int{
			"session with the snmpd\"":              4,
			"session with the snmpd lost":           3,
			"no session with the snmpd":             6, // nobody there, and gone while it opened
			"is snmpd running, and does snmpd.conf": 3,
			"session with the snmpd closed":         1,
		} {
			if got := strings.Count(said.String(), text); got != want {
				t.Errorf("the log says %q %d times, not %d:\n%s", text, got, want, said)
			}
		}
		if s := a.Stats(); s.Connects != 4 || s.Losses != 3 {
			t.Errorf("%+v", s)
		}
	})
}

// RFC 2741, section 7.1.4: what the master refuses is said with a remedy,
// once, and tried again, ever less often.
func TestRegistrationRefused(t *testing.T) {
	for _, tt := range []struct {
		code Code
		want string
	}{
		{CodeDuplicateRegistration, "register .1.3.6.1.4.1.8072.9999.9999.7466: the snmpd answers duplicateRegistration (263): another subagent has this subtree at the same priority; stop that one or configure another priority"},
		{CodeRequestDenied, "requestDenied (267): its configuration forbids this subtree"},
		{Code(mib.GenErr), "genErr (5)"},
	} {
		t.Run(tt.code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log, said := logger()
				m, a := newMaster(t, Config{Logger: log}, newFixture(t, 0).tree)
				stop := run(t, a)
				began := time.Now()
				for range 10 {
					m.accept()
					m.session = 0
					p := m.receive()
					m.session = 7
					m.respond(p, 0)
					m.respond(m.receive(), tt.code)
					if p := m.receive(); p.Type != TypeClose {
						t.Errorf("got %+v", tidy(p))
					} else {
						m.respond(p, 0)
					}
				}
				if took := time.Since(began); took < 10*time.Second || took > time.Minute {
					t.Errorf("ten attempts took %v", took)
				}
				var refused *RefusedError
				if s := a.State(); s.Connected || !errors.As(s.Err, &refused) || refused.Code != tt.code {
					t.Errorf("%+v", s)
				}
				if n := strings.Count(said.String(), "\n"); n != 1 || !strings.Contains(said.String(), tt.want) {
					t.Errorf("the log says\n%s", said)
				}
				m.establish(8, 1)
				m.finish(stop)
			})
		})
	}
}

// A subtree that need not be does not hold up the others, and is tried again.
func TestOptionalSubtree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, said := logger()
		script := mib.MustOID("1.3.6.1.2.1.64")
		m, a := newMaster(t, Config{Optional: []mib.OID{script}, Ping: time.Minute, Logger: log}, newFixture(t, 0).tree)
		stop := run(t, a)
		m.establish(7, 1)
		for i, code := range []Code{CodeDuplicateRegistration, CodeDuplicateRegistration, 0} {
			p := m.receive()
			if p.Type != TypeRegister || !p.ID.Equal(script) {
				t.Fatalf("attempt %d: %+v", i, tidy(p))
			}
			m.respond(p, code)
		}
		synctest.Wait()
		if !a.State().Connected || strings.Count(said.String(), "an optional subtree is missing") != 1 ||
			strings.Count(said.String(), "registered after all") != 1 {
			t.Errorf("the log says\n%s", said)
		}
		m.finish(stop)
	})
}

// RFC 2741, section 7.1.11: an idle connection is probed, and given up when
// the probe is not answered.
func TestPing(t *testing.T) {
	withMaster(t, Config{Ping: 10 * time.Second, Timeout: 2 * time.Second}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		for range 3 {
			began := time.Now()
			p := m.receive()
			if p.Type != TypePing || time.Since(began) > 10*time.Second {
				t.Fatalf("got %+v after %v", tidy(p), time.Since(began))
			}
			m.respond(p, 0)
		}
		m.receive()
		if _, err := m.tryReceive(); err == nil {
			t.Error("it goes on without an answer")
		}
		synctest.Wait()
		if s := a.State(); s.Connected || s.Err.Error() != "the snmpd did not answer ping in time" {
			t.Errorf("%+v", s)
		}
		m.establish(8, 1)
	})
}

// A master that has forgotten the session gets a new one.
func TestSessionForgotten(t *testing.T) {
	withMaster(t, Config{Ping: 10 * time.Second}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		m.respond(m.receive(), CodeNotOpen)
		m.establish(8, 1)
		if s := a.Stats(); s.Connects != 2 || s.Losses != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// RFC 2741, section 7.1.8: the master closes.
func TestClosedByTheMaster(t *testing.T) {
	withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		m.write(m.request(PDU{Type: TypeClose, Reason: ReasonByManager}))
		synctest.Wait()
		if s := a.State(); s.Connected || s.Err.Error() != "the snmpd closed the session: byManager" {
			t.Errorf("%+v", s)
		}
		m.establish(8, 1)
	})
}

// Octets that are no AgentX end the connection, with a word to the master,
// and allocate nothing of what they promise.
func TestGarbage(t *testing.T) {
	for _, tt := range []struct{ name, octets, want string }{
		{"HTTP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "version 71"},
		{"Huge", "\x01\x05\x10\x00" + "\x00\x00\x00\x07" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\xff\xff\xff\xfc", "4294967292 octets"},
		{"Odd", "\x01\x05\x10\x00" + "\x00\x00\x00\x07" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x03", "no multiple of 4"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			withMaster(t, Config{}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
				go m.conn.Write([]byte(tt.octets))
				if p := m.receive(); p.Type != TypeClose || p.Reason != ReasonParseError {
					t.Errorf("got %+v", tidy(p))
				}
				synctest.Wait()
				if s := a.State(); s.Connected || !strings.Contains(s.Err.Error(), tt.want) {
					t.Errorf("%+v", s)
				}
				m.establish(8, 1)
				if n := a.Stats().ParseErrs; n != 1 {
					t.Errorf("%d parse errors", n)
				}
			})
		})
	}
}

// Answers to nothing, cut off or repeated are passed over.
func TestUnexpectedResponses(t *testing.T) {
	withMaster(t, Config{Ping: 10 * time.Second}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		m.write(m.request(PDU{Type: TypeResponse, Packet: 4711}))
		p := m.receive()
		cut := m.encode(&PDU{Type: TypeResponse, Session: 7, Packet: p.Packet, Uptime: 5})[:HeaderSize+4]
		cut[19] = 4
		m.write(cut)
		m.respond(p, 0)
		m.respond(p, 0)
		if r := m.ask(get(object(1, 1, 0))); r.Error != 0 {
			t.Errorf("afterwards: %+v", tidy(r))
		}
		if s := a.Stats(); s.Unexpected != 2 || s.ParseErrs != 1 || s.Losses != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A master that is there and does not answer, or takes nothing, is left.
func TestSilentMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := newMaster(t, Config{Timeout: 2 * time.Second}, newFixture(t, 0).tree)
		stop := run(t, a)
		m.accept() // and reads nothing
		m.accept()
		m.receive() // and answers nothing
		m.accept()
		synctest.Wait()
		if s := a.State(); s.Connected || s.Err.Error() != "the snmpd did not answer open a session in time" {
			t.Errorf("%+v", s)
		}
		p := m.receive()
		m.session = 7
		m.respond(p, 0)
		m.respond(m.receive(), 0)
		synctest.Wait()
		// Once it stands, an answer that is not taken ends it.
		m.write(m.request(get(object(1, 1, 0))))
		m.establish(8, 1)
		m.finish(stop)
	})
}

// RFC 2741, section 7.1.10.
func TestNotify(t *testing.T) {
	withMaster(t, Config{Timeout: 2 * time.Second}, func(t *testing.T, m *master, a *Subagent, _ *fixture) {
		trap := mib.SimoneMIB.Append(0, 1)
		notify := func(ctx context.Context) <-chan error {
			done := make(chan error, 1)
			go func() {
				done <- a.Notify(ctx, trap, []mib.Variable{{Name: object(1, 2, 0), Value: mib.Text("x")}})
			}()
			return done
		}
		done := notify(t.Context())
		p := m.receive()
		if p.Type != TypeNotify || len(p.Vars) != 2 || !p.Vars[0].Name.Equal(trapOID()) || !p.Vars[0].Value.OID.Equal(trap) || string(p.Vars[1].Value.Bytes) != "x" {
			t.Errorf("sent %+v", tidy(p))
		}
		m.respond(p, 0)
		if err := <-done; err != nil {
			t.Error(err)
		}

		done = notify(t.Context())
		m.respond(m.receive(), CodeProcessingError)
		var refused *RefusedError
		if err := <-done; !errors.As(err, &refused) || refused.Code != CodeProcessingError {
			t.Errorf("refused: %v", err)
		}

		done = notify(t.Context())
		m.receive()
		if err := <-done; err == nil || !strings.Contains(err.Error(), "in time") {
			t.Errorf("not answered: %v", err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		done = notify(ctx)
		m.receive()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}

		if err := a.Notify(t.Context(), trap, []mib.Variable{{Name: trap, Value: mib.Value{Type: 0x47}}}); err == nil {
			t.Error("what cannot be encoded is sent")
		}

		done = notify(t.Context())
		m.receive()
		_ = m.conn.Close()
		if err := <-done; !errors.Is(err, ErrNotConnected) {
			t.Errorf("lost: %v", err)
		}
		synctest.Wait()
		if err := <-notify(t.Context()); !errors.Is(err, ErrNotConnected) {
			t.Errorf("not connected: %v", err)
		}
		m.establish(8, 1)
	})
}

// Run ends when it is told to, whatever it is about.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, a := newMaster(t, Config{}, newFixture(t, 0).tree)
		run(t, a)() // nobody has accepted
		stop := run(t, a)
		m.accept()
		m.receive()
		stop() // Open has not been answered
		stop = run(t, a)
		m.establish(7, 1)
		began := time.Now()
		stopped := make(chan struct{})
		go func() { stop(); close(stopped) }()
		m.receive() // the farewell, which is not answered
		<-stopped
		if took := time.Since(began); took > closeWait {
			t.Errorf("it took %v", took)
		}
		away := errors.New("away")
		m.refused.Store(&away)
		stop = run(t, a)
		time.Sleep(time.Minute)
		stop()
	})
}

func TestConfig(t *testing.T) {
	tree := mib.NewTree()
	for _, tt := range []struct {
		name string
		cfg  Config
		want string // empty: it is good
	}{
		{"Defaults", Config{}, ""},
		{"Unix", Config{Master: "unix:/run/agentx"}, ""},
		{"Path", Config{Master: "/run/agentx"}, ""},
		{"TCP", Config{Master: "tcp:127.0.0.1:705"}, ""},
		{"Relative", Config{Master: "unix:agentx"}, `master "unix:agentx": write it as the snmpd's agentXSocket, unix:/path or tcp:host:port`},
		{"NoPort", Config{Master: "tcp:127.0.0.1"}, "write it as"},
		{"NoHost", Config{Master: "tcp::705"}, "write it as"},
		{"UDP", Config{Master: "udp:127.0.0.1:705"}, "write it as"},
		{"Priority", Config{Priority: 256}, "priority 256; it is 1 to 255"},
		{"NegativePriority", Config{Priority: -1}, "priority -1"},
		{"EmptySubtree", Config{Subtrees: []mib.OID{{}}}, "subtree 1 has 0 parts"},
		{"SubtreeTwice", Config{Subtrees: []mib.OID{{1, 3}}, Optional: []mib.OID{{1, 3}}}, "subtree .1.3 stands there twice"},
		{"ContextTwice", Config{Contexts: []string{"a", "a"}}, `context "a" stands there twice`},
		{"Fraction", Config{MasterTimeout: 1500 * time.Millisecond}, "whole seconds"},
		{"TooLong", Config{MasterTimeout: 256 * time.Second}, "at most 255"},
		{"NegativePing", Config{Ping: -1}, "a ping of -1ns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.cfg, tree)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, not %q", err, tt.want)
			}
		})
	}
}
