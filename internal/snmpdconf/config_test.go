package snmpdconf

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"simone/internal/snmp/usm"
)

var update = flag.Bool("update", false, "write the golden files anew")

func account(name string) Account {
	return Account{Name: name, Auth: usm.SHA256, AuthPassphrase: "an authentic word", Priv: usm.AES128, PrivPassphrase: "a private word"}
}

func full() *Config {
	return &Config{Group: "simone", Members: []Member{
		{Manager, account("tree")}, {Monitor, account("zoe")}, {Monitor, account("adam")}, {Join, account("newcomer")}, {Operator, account("ops")},
	}}
}

func TestBlock(t *testing.T) {
	for name, c := range map[string]*Config{"default": {}, "tcp": {Socket: "tcp:127.0.0.1:705"}, "full": full()} {
		t.Run(name, func(t *testing.T) {
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			file, got := filepath.Join("testdata", name+".conf"), c.Block()
			if strings.Contains(got, " word") {
				t.Error("it has a passphrase")
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || got != string(want) {
				t.Errorf("%v; got:\n%s\nwant:\n%s", err, got, want)
			}
			for _, f := range c.Check(Lines("", got)) {
				if f.Status != OK || f.Line.Why == "" {
					t.Errorf("what it wrote itself: %+v", f)
				}
			}
		})
	}
}

func TestValidate(t *testing.T) {
	weak := account("x")
	weak.Priv = usm.NoPriv
	short := account("x")
	short.AuthPassphrase = "short"
	quoted := account("x")
	quoted.PrivPassphrase = `a private "word"`
	for _, c := range []struct {
		name   string
		config Config
		says   string
	}{
		{"Relative", Config{Socket: "unix:master"}, "write unix:/path or tcp:host:port"},
		{"NoPort", Config{Socket: "tcp:localhost"}, "write tcp:host:port"},
		{"TwoLines", Config{Socket: "unix:/x\nrwcommunity public"}, "one word"},
		{"Group", Config{Group: "a b"}, "no group of this machine"},
		{"GroupOfTCP", Config{Socket: "tcp:127.0.0.1:705", Group: "g"}, "only a unix socket"},
		{"TwoRoles", Config{Members: []Member{{Monitor, account("x")}, {Manager, account("x")}}}, `user "x" has the roles monitor and manager`},
		{"Twice", Config{Members: []Member{{Monitor, account("x")}, {Monitor, account("x")}}}, "twice"},
		{"Weak", Config{Members: []Member{{Monitor, weak}}}, "authPriv only"},
		{"Short", Config{Members: []Member{{Monitor, short}}}, "fewer than 8"},
		{"Quote", Config{Members: []Member{{Monitor, quoted}}}, "a quote"},
		{"Name", Config{Members: []Member{{Monitor, account("a b")}}}, "without quotes, spaces"},
		{"Injection", Config{Members: []Member{{Monitor, account("a\nrwuser")}}}, "without quotes, spaces"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := c.config.Validate()
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if err != nil && strings.Contains(err.Error(), "private") {
				t.Errorf("it shows a passphrase: %v", err)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	block := full().Block()
	for _, c := range []struct {
		name   string
		from   string // a line of the block
		to     string // what stands in its place
		status Status
	}{
		{"Missing", "agentXTimeout 3", "", Missing},
		{"Comment", "agentXTimeout 3", "# agentXTimeout 3", Missing},
		{"Other", "agentXTimeout 3", "agentXTimeout 1", Different},
		{"CaseAndSpaces", "agentXTimeout 3", "\tAGENTXTIMEOUT   3  # seconds", OK},
		{"LastCounts", "agentXRetries 0", "agentXRetries 0\nagentXRetries 5", Different},
		{"LastIsRight", "agentXRetries 0", "agentXRetries 5\nagentXRetries 0", OK},
		{"Yes", "dontLogTCPWrappersConnects yes", "dontLogTCPWrappersConnects true", OK},
		{"No", "dontLogTCPWrappersConnects yes", "dontLogTCPWrappersConnects no", Different},
		{"MoreBulk", "maxGetbulkResponses 1000", "maxGetbulkResponses 5000", OK},
		{"UnlimitedBulk", "maxGetbulkResponses 1000", "maxGetbulkResponses -1", OK},
		{"LessBulk", "maxGetbulkResponses 1000", "maxGetbulkResponses 100", Different},
		{"NoMaster", "master agentx", "master no", Different},
		{"BarePath", "agentXSocket unix:/var/agentx/master", "agentXSocket /var/agentx/master", OK},
		{"OtherSocket", "agentXSocket unix:/var/agentx/master", "agentXSocket tcp:localhost:705", Different},
		{"ShortPerms", "agentXPerms 0660 0755 -1 simone", "agentXPerms 660 755 root simone", OK},
		{"OtherPerms", "agentXPerms 0660 0755 -1 simone", "agentXPerms 0777 0755", Different},
		{"ViewWithoutDot", "view simoneRead included .1.3.6.1.2.1", "view simoneRead included 1.3.6.1.2.1", OK},
		{"ViewExcluded", "view simoneRead included .1.3.6.1.2.1", "view simoneRead excluded .1.3.6.1.2.1", Different},
		{"ViewMasked", "view simoneRead included .1.3.6.1.2.1", "view simoneRead included .1.3.6.1.2.1 fe", Different},
		{"NoView", "view simoneRead included .1.3.6.1.2.1", "", Missing},
		{"WeakAccess", `access simoneManager "" usm priv exact simoneRead simoneManage simoneNotify`, `access simoneManager "" usm noauth exact simoneRead simoneManage simoneNotify`, Missing},
		{"OtherAccess", `access simoneMonitor "" usm priv exact simoneRead none none`, `access simoneMonitor "" usm priv exact simoneRead simoneManage none`, Different},
		{"OtherGroup", "group simoneMonitor usm adam", "group simoneManager usm adam", Different},
		{"NoGroup", "group simoneMonitor usm adam", "", Missing},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(block, c.from+"\n", c.to+"\n", 1)
			if text == block {
				t.Fatalf("%q is no line of the block", c.from)
			}
			for _, f := range full().Check(Lines("", text)) {
				want := OK
				if f.Line.Text == c.from {
					want = c.status
				}
				if f.Status != want || (f.Have != "") != (want == Different) || (f.At == 0) != (want == Missing) {
					t.Errorf("%+v, want %v", f, want)
				}
			}
		})
	}
	t.Run("Empty", func(t *testing.T) {
		for _, f := range full().Check(nil) {
			if f.Status != Missing {
				t.Errorf("%+v", f)
			}
		}
	})
}

func TestMembers(t *testing.T) {
	got := Members(full().Block() + "group other usm adam\ngroup simoneOperator v2c public\n")
	want := map[string]Role{"zoe": Monitor, "ops": Operator, "tree": Manager, "newcomer": Join}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestPutUsers: those that snmpd knows keep their keys, in whatever form it
// has saved them.
func TestPutUsers(t *testing.T) {
	const saved = "engineBoots 3\n" +
		"usmUser 1 3 0x80001f8880 \"adam\" \"adam\" NULL .1.3.6.1.6.3.10.1.1.5 0xab .1.3.6.1.6.3.10.1.2.4 0xcd \"\"\n" +
		"usmUser 1 3 0x80001f8880 0x7a6f6500 0x7a6f6500 NULL .1.3.6.1.6.3.10.1.1.5 0xab .1.3.6.1.6.3.10.1.2.4 0xcd 0x\n" +
		"createUser ops SHA \"some old word\"\n"
	out, known, err := full().PutUsers(saved)
	if err != nil || !slices.Equal(known, []string{"adam", "zoe", "ops"}) {
		t.Fatalf("%v, %v", known, err)
	}
	for _, name := range []string{"tree", "newcomer"} {
		if want := fmt.Sprintf("createUser %s SHA-256 \"an authentic word\" AES \"a private word\"\n", name); strings.Count(out, want) != 1 {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
	again, _, err := full().PutUsers(out)
	if err != nil || again != out {
		t.Errorf("again: %v\n%s", err, again)
	}
	if cut, found, err := Cut(out); err != nil || !found || cut != saved {
		t.Errorf("%v, %v:\n%s", found, err, cut)
	}
	if all, known, err := (&Config{Members: []Member{{Monitor, account("adam")}}}).PutUsers(saved); err != nil || all != saved || len(known) != 1 {
		t.Errorf("nothing new: %v, %v:\n%s", known, err, all)
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{account("x"), full().Members, full().Members[0].AuthPassphrase} {
			if out := fmt.Sprintf(format, v); strings.Contains(out, " word") {
				t.Errorf("%s shows a secret: %s", format, out)
			}
		}
	}
	a := account("x")
	if strings.Contains(a.Redacted(), " word") || !strings.Contains(a.CreateUser(), `"a private word"`) {
		t.Errorf("%s", a.Redacted())
	}
}
