package responder

import (
	"fmt"
	"time"

	"simone/internal/snmp"
	"simone/mib"
)

// System is what the system group of SNMPv2-MIB (RFC 3418) says of a node.
type System struct {
	Descr    string
	ObjectID mib.OID // the kind of agent
	Started  time.Time
	Contact  string
	Name     string
	Location string
	Services int32 // sum of 2^(layer-1); 72 is a host with applications
}

// RegisterSystem puts the system group and the snmp group into the tree, so
// that every tool recognises the agent, and those of an SNMPv3 engine if it is
// one. Call it before Run.
func (r *Responder) RegisterSystem(s System) error {
	objects := make([]mib.Scalar, 0, 32)
	add := func(group uint32, arc uint32, read func() mib.Value) {
		objects = append(objects, mib.Scalar{OID: mib.OID{1, 3, 6, 1, 2, 1, group, arc}, Read: read})
	}
	fixed := func(v mib.Value) func() mib.Value { return func() mib.Value { return v } }
	const system, counted = 1, 11
	objectID := s.ObjectID
	if len(objectID) == 0 {
		objectID = mib.OID{0, 0}
	}
	add(system, 1, fixed(mib.Text(s.Descr)))
	add(system, 2, fixed(mib.ObjectID(objectID)))
	add(system, 3, func() mib.Value { return mib.Ticks(snmp.Uptime(s.Started)) })
	add(system, 4, fixed(mib.Text(s.Contact)))
	add(system, 5, fixed(mib.Text(s.Name)))
	add(system, 6, fixed(mib.Text(s.Location)))
	add(system, 7, fixed(mib.Integer(s.Services)))

	c := &r.counts
	for _, o := range []struct {
		arc  uint32
		read func() uint64
	}{
		{1, c.inPkts.Load},
		{2, c.outPkts.Load},
		{3, c.inBadVersions.Load},
		{4, c.inBadCommunityNames.Load},
		{5, c.inBadCommunityUses.Load},
		{6, c.inASNParseErrs.Load},
		{13, c.inTotalReqVars.Load},
		{14, c.inTotalSetVars.Load},
		{15, c.inGetRequests.Load},
		{16, c.inGetNexts.Load},
		{17, c.inSetRequests.Load},
		{19, c.inTraps.Load},
		{20, c.outTooBigs.Load},
		{21, c.outNoSuchNames.Load},
		{22, c.outBadValues.Load},
		{24, c.outGenErrs.Load},
		{28, c.outResponses.Load},
		{31, c.silentDrops.Load},
		{32, func() uint64 { return 0 }}, // snmpProxyDrops: it is no proxy
	} {
		add(counted, o.arc, func() mib.Value { return mib.Counter32(uint32(o.read())) })
	}
	const disabled = 2
	add(counted, 30, fixed(mib.Integer(disabled))) // snmpEnableAuthenTraps

	group, err := mib.NewScalars(objects...)
	if err == nil {
		err = group.Register(r.tree)
	}
	if err != nil {
		return fmt.Errorf("register the system group: %w", err)
	}
	return r.registerEngine()
}
