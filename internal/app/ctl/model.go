package ctl

import (
	"time"

	"simone/mib"
)

// The structs of this file are what the commands show. With -o json and -o
// yaml they appear with the names in their tags, which do not change between
// releases; new ones may be added. Units are in the names; null stands for
// what is not known. NodeIDs of 0 stand for no node.

// Heat says where a temperature lies between the thresholds.
type Heat string

// The heats. An ILM that is cold may be merged, one that is hot is split,
// and one that is critical migrates.
const (
	Cold     Heat = "cold"
	Warm     Heat = "warm"
	Hot      Heat = "hot"
	Critical Heat = "critical"
)

// Thresholds are the three temperatures that a policy goes by, in stu.
type Thresholds struct {
	Merge   *float64 `json:"merge"`
	Split   *float64 `json:"split"`
	Migrate *float64 `json:"migrate"`
}

// heat judges a temperature; empty if there is none.
func (t Thresholds) heat(temperature *float64) Heat {
	over := func(limit *float64) bool { return limit != nil && *temperature > *limit }
	switch {
	case temperature == nil:
		return ""
	case over(t.Migrate):
		return Critical
	case over(t.Split):
		return Hot
	case t.Merge != nil && *temperature < *t.Merge:
		return Cold
	}
	return Warm
}

// Settings are the thresholds and what goes with them.
type Settings struct {
	Thresholds
	Policy   string `json:"policy"`
	Mode     string `json:"mode"` // automatic or fixed
	Paused   bool   `json:"paused"`
	Weighted bool   `json:"weighted"` // decisions use the weighted temperature
}

// Manager is the TLM or an ILM.
type Manager struct {
	ID          mib.NodeID `json:"id"`
	Name        string     `json:"name"`
	Address     string     `json:"address"`
	Level       uint32     `json:"level"` // 0 is the TLM
	Parent      mib.NodeID `json:"parent_id"`
	Status      string     `json:"status"`               // up, down (silent), starting, draining
	Temperature *float64   `json:"temperature_stu"`      // of the last trigger window
	Weighted    *float64   `json:"weighted_stu"`         // weighted temperature
	Heat        Heat       `json:"heat"`                 // cold, warm, hot or critical, by the thresholds
	Intrusion   *float64   `json:"intrusion_percent"`    // of its CPU, used by SIMONE
	Utilisation *float64   `json:"utilisation_percent"`  // of its CPU, needed by its polls
	Latency     *float64   `json:"latency_milliseconds"` // mean of the last trigger window
	Nodes       uint32     `json:"nodes"`                // on its support list
	Drained     bool       `json:"drained"`
}

// Node is a node of the inventory.
type Node struct {
	ID         mib.NodeID `json:"id"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"` // leaf, ilm or device
	Address    string     `json:"address"`
	Zone       string     `json:"zone"`
	Owner      mib.NodeID `json:"owner_id"` // its manager
	OwnerName  string     `json:"owner"`
	Status     string     `json:"status"` // waiting, up or failing
	LastSample *float64   `json:"last_sample_age_seconds"`
	Drained    bool       `json:"drained"`
	Pinned     bool       `json:"pinned"`
	Candidate  bool       `json:"candidate"` // may become an ILM
	Epoch      string     `json:"epoch"`
}

// Support is a row of a support list: a node as its manager sees it.
type Support struct {
	ID         mib.NodeID `json:"id"`
	Name       string     `json:"name"`
	Kind       string     `json:"kind"`
	Address    string     `json:"address"`
	Profile    string     `json:"profile"`
	Credential string     `json:"credential"`
	Status     string     `json:"status"` // waiting, up or failing
	LastPoll   *float64   `json:"last_poll_age_seconds"`
	RTT        *float64   `json:"rtt_milliseconds"` // null if it has never answered
	Jitter     *float64   `json:"jitter_milliseconds"`
	Loss       *float64   `json:"loss_percent"`
	Cost       *float64   `json:"cost_milliseconds"` // CPU per interval
	Load       *float64   `json:"run_queue"`
	Failures   uint32     `json:"failures"`
	Samples    uint32     `json:"samples"`
	Slot       uint32     `json:"slot"`
	Interval   *float64   `json:"interval_seconds"` // null: the manager's own
	Epoch      string     `json:"epoch"`
	Via        mib.NodeID `json:"via_id"` // the ILM below that polls it; 0: the manager itself
}

// Branch is a manager with what is below it.
type Branch struct {
	Manager
	RTT      *float64  `json:"rtt_milliseconds"` // as its own manager sees it
	Problem  string    `json:"problem"`          // why its list could not be read; empty if it could
	Leaves   []Support `json:"leaves"`           // its nodes that are no managers
	Branches []*Branch `json:"ilms"`             // its nodes that are
}

// Tree is the whole tree.
type Tree struct {
	Settings Settings  `json:"settings"`
	Root     *Branch   `json:"tlm"`
	Orphans  []*Branch `json:"orphans"` // ILMs whose manager is not in the tree
}

// NodeDetail is all that is known of a node.
type NodeDetail struct {
	Node
	Support *Support `json:"support"` // as its manager sees it; null if that cannot be read
	Self    *Self    `json:"self"`    // as it says itself; null for devices and what does not answer
	Manager *Manager `json:"manager"` // as a manager; null if it is none
	Notes   []string `json:"notes"`   // what could not be read, and why
}

// Self is what a SIMONE node says of itself.
type Self struct {
	Name         string     `json:"name"`
	ID           mib.NodeID `json:"id"`
	UUID         string     `json:"uuid"`
	Role         string     `json:"role"` // leaf, ilm or tlm
	Level        uint32     `json:"level"`
	Parent       string     `json:"parent_address"`
	ParentID     mib.NodeID `json:"parent_id"`
	Path         string     `json:"path"`
	Capabilities string     `json:"capabilities"`
	Software     string     `json:"software"`
	Started      time.Time  `json:"started"`
	MetricPeriod *float64   `json:"metric_period_seconds"`
}

// Metric is one value of one node.
type Metric struct {
	Node     mib.NodeID `json:"node_id"`
	NodeName string     `json:"node"`
	Profile  string     `json:"profile"`
	Name     string     `json:"metric"` // its number if no agent knows the name
	Instance uint32     `json:"instance"`
	Value    *float64   `json:"value"`
	Unit     string     `json:"unit"`
	Age      *float64   `json:"age_seconds"`
}

// Aggregate is one metric summed up over a subtree.
type Aggregate struct {
	Profile   string   `json:"profile"`
	Name      string   `json:"metric"`
	Unit      string   `json:"unit"`
	Count     uint32   `json:"count"`
	Min       *float64 `json:"min"`
	Max       *float64 `json:"max"`
	Mean      *float64 `json:"mean"`
	Deviation *float64 `json:"deviation"`
	Sum       *float64 `json:"sum"`
	P50       *float64 `json:"p50"`
	P90       *float64 `json:"p90"`
	P99       *float64 `json:"p99"`
	Age       *float64 `json:"age_seconds"` // of the oldest value
}

// Event is what a manager did, and why.
type Event struct {
	Manager     mib.NodeID `json:"manager_id"` // who did it, and writes of it
	ManagerName string     `json:"manager"`
	Sequence    uint32     `json:"sequence"` // of that manager's events
	Time        time.Time  `json:"time"`
	Kind        string     `json:"kind"`
	Node        mib.NodeID `json:"node_id"`
	NodeName    string     `json:"node"`
	From        mib.NodeID `json:"from_id"`
	FromName    string     `json:"from"`
	To          mib.NodeID `json:"to_id"`
	ToName      string     `json:"to"`
	Nodes       uint32     `json:"nodes"`
	Seen        string     `json:"seen"`
	Expected    string     `json:"expected"`
	Outcome     string     `json:"outcome"`
	Text        string     `json:"text"`
}

// Round is what the TLM's last round made of one ILM.
type Round struct {
	ID          mib.NodeID `json:"id"`
	Name        string     `json:"name"`
	Temperature *float64   `json:"temperature_stu"`
	Weighted    *float64   `json:"weighted_stu"`
	Heat        Heat       `json:"heat"`
	Utilisation *float64   `json:"utilisation_percent"`
	Nodes       uint32     `json:"nodes"`
	Age         *float64   `json:"report_age_seconds"`
	Verdict     string     `json:"verdict"`
}

// Explanation is why the tree is as it is.
type Explanation struct {
	Settings  Settings          `json:"settings"`
	Rounds    uint32            `json:"rounds"`
	LastRound *float64          `json:"last_round_age_seconds"`
	Counters  map[string]uint32 `json:"transformations"`
	ILMs      []Round           `json:"ilms"`
	Events    []Event           `json:"events"`
}

// Done is what a writing command did.
type Done struct {
	Action string     `json:"action"`
	Node   mib.NodeID `json:"node_id"`
	Name   string     `json:"node"`
	Text   string     `json:"text"`
}

// Check is one check of doctor.
type Check struct {
	Name   string `json:"check"`
	Status Health `json:"status"`
	Detail string `json:"detail"`
	Remedy string `json:"remedy"` // what to do; empty if nothing
}

// Health is how a check came out.
type Health string

// The healths.
const (
	OK   Health = "ok"
	Warn Health = "warn"
	Fail Health = "fail"
)
