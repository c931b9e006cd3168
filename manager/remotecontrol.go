package manager

import (
	"context"
	"encoding/binary"
	"time"

	"simone/mib"
	"simone/reconfig"
)

// controlVars puts a control SET on the wire: the fence first, then what the
// verb needs.
func controlVars(set reconfig.ControlSet) []mib.Variable {
	scalar := func(object mib.OID, v mib.Value) mib.Variable {
		return mib.Variable{Name: mib.Instance(object), Value: v}
	}
	vars := []mib.Variable{scalar(mib.SimoneIlmFence, mib.Octets(set.Fence.Append(nil)))}
	switch set.Verb {
	case reconfig.Stage, reconfig.Release:
		vars = append(vars, scalar(mib.SimoneIlmApply, mib.Octets(set.Apply.Append(nil))))
	case reconfig.Promote:
		vars = append(vars,
			scalar(mib.SimoneIlmTriggerInterval, mib.Gauge(set.Settings.TriggerMillis)),
			scalar(mib.SimoneIlmPollInterval, mib.Gauge(set.Settings.PollMillis)),
			scalar(mib.SimoneIlmLevels, mib.Gauge(set.Settings.Levels)),
			scalar(mib.SimoneIlmBelow, mib.Gauge(set.Settings.Below)))
		if fanIn := set.Settings.FanIn; fanIn > 0 { // an older ILM does not know it
			vars = append(vars, scalar(mib.SimoneIlmFanIn, mib.Gauge(fanIn)))
		}
		vars = append(appendRules(vars, set.Settings.Rules),
			scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminUp))))
	case reconfig.Demote:
		vars = append(vars, scalar(mib.SimoneIlmAdminStatus, mib.Integer(int32(mib.IlmAdminDown))))
	case reconfig.Acknowledge:
		cursor := binary.BigEndian.AppendUint64(nil, set.Cursor.Incarnation)
		cursor = binary.BigEndian.AppendUint32(cursor, set.Cursor.Seq)
		vars = append(vars, scalar(mib.SimoneIlmCursor, mib.Octets(cursor)))
	}
	return vars
}

// controlFailure tells the engine what an error-status of a control SET
// means; index counts from 1.
func controlFailure(verb reconfig.ControlVerb, status mib.ErrorStatus, index int) reconfig.Failure {
	switch status {
	case mib.InconsistentValue:
		if index <= 1 { // of v1's badValue for the whole SET no index may come
			return reconfig.FenceStale
		}
		if verb == reconfig.Demote { // there are rows
			return reconfig.Malformed
		}
		return reconfig.EpochStale
	case mib.ResourceUnavailable:
		return reconfig.NotHeld
	case mib.InconsistentName:
		return reconfig.NotILM
	case mib.NotWritable:
		if index <= 1 {
			// A child's fence can always be written: it is not there, and the
			// snmpd that it is a subagent of says so. It may be back any moment.
			return reconfig.TimedOut
		}
	case mib.GenErr, mib.CommitFailed, mib.UndoFailed:
		// The child could not keep the change, or an AgentX master gave up
		// on a subagent that may yet do it: nothing is known.
		return reconfig.TimedOut
	}
	return reconfig.Malformed
}

// control sends a control SET once. Repeating it blindly would help nobody:
// if the answer was lost, the engine asks again with a fence of its choice.
func (d *remoteDelegate) control(ctx context.Context, a reconfig.Control) (answer, error) {
	response, err := d.ask(ctx, mib.Request{
		Verb:    mib.VerbSet,
		Vars:    controlVars(a.ControlSet),
		Timeout: d.controlTimeout,
	})
	if err != nil {
		return nil, err
	}
	if response.Status == mib.NoError {
		return doneAction(a.ID), nil
	}
	why := controlFailure(a.Verb, response.Status, response.Index)
	if response.Status == mib.NotWritable && why == reconfig.TimedOut {
		// What is asked again at once takes no longer than this answer did:
		// the engine's pace is that of children that do not answer.
		select {
		case <-ctx.Done():
		case <-time.After(d.probeTimeout):
		}
	}
	return nil, failed(why, "%v: node %d at %v answered %v at variable %d%s",
		a.Verb, d.child, d.address, response.Status, response.Index, d.reason(ctx))
}

// reason asks the child why it refused; what it says is for people only.
func (d *remoteDelegate) reason(ctx context.Context) string {
	response, err := d.ask(ctx, mib.Request{
		Verb:    mib.VerbGet,
		Vars:    []mib.Variable{{Name: mib.Instance(mib.SimoneIlmError), Value: null}},
		Timeout: d.probeTimeout,
	})
	if err != nil || response.Status != mib.NoError || len(response.Vars) != 1 ||
		response.Vars[0].Value.Type != mib.TypeOctetString || len(response.Vars[0].Value.Bytes) == 0 {
		return ""
	}
	return ": " + string(response.Vars[0].Value.Bytes)
}

// null is the value of a variable that is asked for.
var null = mib.Value{Type: mib.TypeNull}
