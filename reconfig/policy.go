package reconfig

import (
	"fmt"
	"math"
	"time"

	"simone/mib"
)

// Settings are the numbers that steer an Engine. All can change at run time
// (event Tuned).
type Settings struct {
	Policy     string        // see PolicyByName
	Automatic  bool          // false: no transformations of the policy's own accord
	Thresholds Thresholds    // stu
	Trigger    time.Duration // between rounds
	Interval   time.Duration // of polls, for nodes that name none
	Probe      time.Duration // between probes of a child
	Misses     int           // unanswered probes until a child is silent
	MinILMs    int
	StartILMs  int // how many a tree without any begins with, if more than MinILMs
	MaxILMs    int // 0: as many as there are candidates; -1: none, those there are retire
	// MigrateToColdest excludes inactive hosts as the target of a migrate
	// (SIM.md: migrate-target=coldest).
	MigrateToColdest bool
	Weighted         bool    // decide on the weighted temperature
	Churn            float64 // of all nodes, at most, in one round's planned moves
	MovesPerHour     int     // of a policy's planned moves; 0: one for each 47 polls
	Capacity         int     // rows per ILM; 0: no limit
	BanFor           time.Duration
	Paused           bool   // the manager above was told by an operator to make no planned moves
	History          string // weights of the temperatures of ILMs below, as simoneTemperatureHistory has them; empty: each its own
	// Levels is how many levels of ILMs there are below each ILM at least, and
	// Below how many ILMs each then keeps below itself at least.
	Levels, Below int
	// MostLevels is how many levels of ILMs forks may put below each ILM; no
	// more than Levels: there are neither forks nor joins. FanIn is how many ILMs
	// a manager has right below it at most; 0: as many as it can serve in a
	// trigger, as measured.
	MostLevels, FanIn int
	// Without are rules of the protocol that are switched off, in simulations
	// only: they show that it needs every one of them.
	Without Guards
}

// Thresholds are the temperatures, in stu, at which transformations fire:
// below Merge, above Split, above Migrate (paper section 5.2).
type Thresholds struct{ Merge, Split, Migrate float64 }

// DefaultSettings are DESIGN section 2's.
func DefaultSettings() Settings {
	return Settings{
		Policy:     "balance",
		Automatic:  true,
		Thresholds: Thresholds{0.1, 17.5, 500},
		Trigger:    10 * time.Second,
		Interval:   10 * time.Second,
		Probe:      500 * time.Millisecond,
		Misses:     3,
		MinILMs:    1,
		Churn:      0.1,
		BanFor:     time.Hour,
	}
}

// MostMovesPerHour is the highest that Settings.MovesPerHour may be.
const MostMovesPerHour = 1_000_000_000

// Validate says what is wrong with the settings and what to write instead.
func (s Settings) Validate() error {
	t := s.Thresholds
	switch {
	case t.Merge < 0 || t.Merge > t.Split || t.Split > t.Migrate:
		return fmt.Errorf("thresholds %g-%g-%g are out of order: write them so that 0 <= merge <= split <= migrate, for example 0.1-17.5-500", t.Merge, t.Split, t.Migrate)
	case s.Trigger <= 0:
		return fmt.Errorf("trigger %v is not positive: write a time such as 10s", s.Trigger)
	case s.Interval <= 0:
		return fmt.Errorf("poll interval %v is not positive: write a time such as 10s", s.Interval)
	case s.Probe <= 0 || s.Misses < 1:
		return fmt.Errorf("probe %v and misses %d: both must be positive, for example 500ms and 3", s.Probe, s.Misses)
	case s.MinILMs < 0 || s.MaxILMs > 0 && s.MaxILMs < s.MinILMs || s.MaxILMs < 0 && s.MinILMs > 0:
		return fmt.Errorf("between %d and %d ILMs is empty: write a minimum that is not above the maximum", s.MinILMs, s.MaxILMs)
	case s.MovesPerHour < 0 || s.MovesPerHour > MostMovesPerHour:
		return fmt.Errorf("%d moves an hour are not from 0 to %d: write 0 to leave it to the policy", s.MovesPerHour, MostMovesPerHour)
	case s.Churn <= 0 || s.Churn > 1:
		return fmt.Errorf("churn %g is not in (0, 1]: write the share of nodes that one round may move, for example 0.1", s.Churn)
	}
	if _, err := PolicyByName(s.Policy); err != nil {
		return err
	}
	return nil
}

// Policy turns one manager's view of the level below it into
// transformations. It is a pure function of the view.
type Policy interface {
	Name() string
	Decide(View) []Transformation
}

// PolicyByName finds a policy.
func PolicyByName(name string) (Policy, error) {
	switch name {
	case "paper":
		return Paper{}, nil
	case "balance":
		return Balance{}, nil
	}
	return nil, fmt.Errorf("there is no policy %q: write balance or paper", name)
}

// View is what a manager knows when it decides.
type View struct {
	Children   []ChildView  // active ILMs that may take part, by NodeID
	Idle       []mib.NodeID // inactive hosts that may become ILMs, by NodeID
	Thresholds Thresholds
	MinILMs    int
	MaxILMs    int // never 0
	// MigrateToColdest excludes Idle as the target of a migrate.
	MigrateToColdest bool

	// The rest is for policies that project what a move will do.

	Budget int // nodes that the round may move
	// Grown says that the policy has had an ILM promoted, last when the sum
	// of utilisations was GrownAt.
	Grown   bool
	GrownAt float64
	// Hosts are those of Idle of which it is known what else they have to do,
	// by NodeID. Turn says with which a search begins.
	Hosts []HostView
	Turn  uint64
	// Credit is how many nodes may be moved now by the budget of moves per
	// hour, and Price what a move has to gain, in terms of what it has where
	// that budget is no bound; 0: 1.
	Credit, Price float64
	// Usual is what ILMs had to do in the mean of the last rounds, in nodes x
	// intensity; 0: not known.
	Usual float64
	// Unlike is for how many more rounds what ILMs report is of a time when
	// their machines differed in what they have to do beside.
	Unlike int
	// Allows reports whether a node may be moved to an ILM, as zones,
	// credentials and earlier failures have it; nil: any to any.
	Allows func(node, to mib.NodeID) bool
}

// HostView is a machine that could become an ILM.
type HostView struct {
	ID mib.NodeID
	HostLoad
	Idle int           // reports in a row that told of no load
	RTT  time.Duration // as who polls it measures it; 0: not known
}

// load is the sum of utilisations that are known.
func (v *View) load() (sum float64) {
	for _, c := range v.Children {
		if c.Utilisation > 0 && !math.IsInf(c.Utilisation, 0) {
			sum += c.Utilisation
		}
	}
	return sum
}

// ChildView is one active ILM.
type ChildView struct {
	ID          mib.NodeID
	Temperature float64      // stu
	Utilisation float64      // share of its CPU, 0..1, more if that is not enough
	Nodes       []mib.NodeID // that may be moved, in the order in which they were added
	Fixed       int          // further nodes that may not (pinned)
	Busy        bool         // moves from or to it are under way: it is neither source nor target now

	Host     HostLoad  // what its machine has to do beside, as last asked
	Loads    []float64 // of Nodes: the share of Utilisation that each causes
	Rate     float64   // polls per second of all its nodes
	Capacity int       // rows that it may have; 0: no limit
	Hot      int       // rounds in a row that Temperature has been above Split
	Cold     int       // and below Merge
	Rests    bool      // what it reports is from before its last change, or that came to nothing
	NoGive   bool      // it has taken nodes lately
	NoTake   bool      // it has given nodes lately
}

// Transformation is one change that a policy wants (paper section 4).
type Transformation struct {
	Kind     Kind // KindSplit, KindMigrate, KindMerge, KindFork or KindJoin
	From, To mib.NodeID
	Nodes    []mib.NodeID // of From, to hand to To
	Promote  bool         // To is inactive and becomes an ILM first
	Demote   bool         // From becomes a leaf afterwards
	// Hosts are the machines that To may be, best first, if the policy leaves
	// that open: each is asked before, and passed over if it has become busier.
	Hosts    []HostView
	Seen     string
	Expected string
}
