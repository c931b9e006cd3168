package manager

import (
	"simone/mib"
	"simone/reconfig"
)

// roundRows are the rows of simoneRoundTable.
type roundRows struct{ conductor func() *Conductor }

func roundID(c reconfig.RoundChild) mib.NodeID  { return c.ID }
func childID(c reconfig.ChildStatus) mib.NodeID { return c.ID }

// Next gives the row after index.
func (r roundRows) Next(index mib.OID) (mib.OID, bool) {
	c := r.conductor()
	if c == nil {
		return nil, false
	}
	round, _ := c.Round()
	return mib.NextNodeRow(round.Children, index, roundID)
}

// Value gives a cell.
func (r roundRows) Value(column uint32, index mib.OID) mib.Value {
	none := mib.Value{Type: mib.TypeNoSuchInstance}
	conductor := r.conductor()
	if conductor == nil {
		return none
	}
	round, reports := conductor.Round()
	c, ok := mib.FindNodeRow(round.Children, index, roundID)
	if !ok {
		return none
	}
	seen, reported := mib.FindNodeRow(reports, index, childID)
	switch column {
	case mib.ColumnRoundName:
		n, _ := conductor.Node(c.ID)
		return mib.Text(n.Name)
	case mib.ColumnRoundTemperature:
		return mib.Temperature(c.Temperature)
	case mib.ColumnRoundSupportCount:
		return mib.Unsigned(c.Nodes)
	case mib.ColumnRoundVerdict:
		return text(c.Verdict)
	}
	if !reported {
		return none
	}
	switch column {
	case mib.ColumnRoundWeighted:
		return mib.Temperature(seen.Report.Weighted)
	case mib.ColumnRoundUtilisation:
		return mib.Hundredths(100 * seen.Report.Utilisation)
	case mib.ColumnRoundAge:
		return age(round.At, seen.At)
	}
	return none
}
