package tlm

import (
	"fmt"
	"time"

	"simone/manager"
	"simone/mib"
	"simone/reconfig"
)

// Standing is what a TLM is among those that share a store, as far as it
// knows (group simoneLead).
type Standing struct {
	State   mib.LeadState
	Leader  Peer          // who leads; zero: nobody that is known
	Others  int           // how many stand by
	For     time.Duration // since State changed
	Trouble string        // with the way to the store
}

// Peer is another TLM, or this one, as the others know it.
type Peer struct {
	Name    string // of its node
	Address string // where its agent answers, host:port
}

// registerStanding shows a standing in a tree.
func registerStanding(tree *mib.Tree, standing func() Standing) error {
	scalar := func(object mib.OID, value func(Standing) mib.Value) mib.Scalar {
		return mib.Scalar{OID: object, Read: func() mib.Value { return value(standing()) }}
	}
	scalars, err := mib.NewScalars(
		scalar(mib.SimoneLeadState, func(s Standing) mib.Value { return mib.Integer(int32(s.State)) }),
		scalar(mib.SimoneLeadAddress, func(s Standing) mib.Value { return mib.Text(s.Leader.Address) }),
		scalar(mib.SimoneLeadName, func(s Standing) mib.Value { return mib.Text(s.Leader.Name) }),
		scalar(mib.SimoneLeadOthers, func(s Standing) mib.Value { return mib.Unsigned(s.Others) }),
		scalar(mib.SimoneLeadAge, func(s Standing) mib.Value { return mib.Millis(s.For) }),
		scalar(mib.SimoneLeadTrouble, func(s Standing) mib.Value { return mib.Text(s.Trouble) }),
	)
	if err == nil {
		err = scalars.Register(tree)
	}
	if err != nil {
		return fmt.Errorf("tlm: %w", err)
	}
	return nil
}

// alone is the standing of a TLM that has its store for itself.
func (m *Manager) alone() Standing {
	return Standing{
		State: mib.Leading, Leader: Peer{m.node.Name(), m.node.Identity().Address}, For: m.clock.Now().Sub(m.began),
	}
}

// TellLead puts into the event table, and into the log, that this TLM leads,
// and after what.
func (m *Manager) TellLead(what string) {
	e := reconfig.Entry{At: m.clock.Now(), Kind: reconfig.KindLead, Node: selfID, Seen: fmt.Sprintf("%s at %s %s", m.node.Name(), m.node.Identity().Address, what)}
	m.log.Info(manager.Sentence(e))
	m.tell(e)
}
