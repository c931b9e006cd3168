package manager

import (
	"encoding/binary"

	"simone/mib"
	"simone/reconfig"
)

// placeSize is how many octets a pair of NodeIDs takes in simoneReconfigPlace.
const placeSize = 8

// PackPlaces writes placements as simoneReconfigPlace has them.
func PackPlaces(places []reconfig.Place) []byte {
	b := make([]byte, 0, placeSize*len(places))
	for _, p := range places {
		b = binary.BigEndian.AppendUint32(b, uint32(p.Node))
		b = binary.BigEndian.AppendUint32(b, uint32(p.At))
	}
	return b
}

// MaxPlaces is how many placements one simoneReconfigPlace holds.
const MaxPlaces = 1200 / placeSize

// place reads a SET of simoneReconfigPlace.
func (g *Reconfig) place(c *Conductor, v mib.Variable, index int) (ask, *mib.SetError) {
	name := mib.NameOf(v.Name)
	if len(v.Value.Bytes)%placeSize != 0 {
		return ask{}, mib.Refuse(mib.WrongValue, index, "%s: %d octets are no pairs of NodeIDs of four octets each", name, len(v.Value.Bytes))
	}
	a := ask{ask: reconfig.AskPlace, undo: reconfig.AskPlace, index: index, places: []reconfig.Place{}, back: []reconfig.Place{}}
	for b := v.Value.Bytes; len(b) > 0; b = b[placeSize:] {
		p := reconfig.Place{Node: mib.NodeID(binary.BigEndian.Uint32(b)), At: mib.NodeID(binary.BigEndian.Uint32(b[4:]))}
		n, known := c.Node(p.Node)
		if !known || n.Kind < mib.KindLeaf {
			return ask{}, mib.Refuse(mib.WrongValue, index, "%s: there is no node %d below this manager", name, p.Node)
		}
		if p.At != 0 {
			switch host, known := c.Node(p.At); {
			case !known || host.Kind < mib.KindLeaf:
				return ask{}, mib.Refuse(mib.WrongValue, index, "%s: there is no node %d below this manager", name, p.At)
			case p.At == p.Node:
				return ask{}, mib.Refuse(mib.WrongValue, index, "%s: node %d cannot manage itself", name, p.At)
			case !host.Candidate && !host.Wanted:
				return ask{}, mib.Refuse(mib.WrongValue, index, "%s: node %d is no ILM and no candidate for one", name, p.At)
			}
			a.back = append(a.back, reconfig.Place{Node: p.Node, At: n.Owner})
		} else {
			if !n.Wanted {
				return ask{}, mib.Refuse(mib.WrongValue, index, "%s: node %d is no ILM below this manager", name, p.Node)
			}
			for _, k := range c.Nodes() {
				if k.Owner == p.Node {
					a.back = append(a.back, reconfig.Place{Node: k.ID, At: p.Node})
				}
			}
		}
		a.places = append(a.places, p)
	}
	return a, nil
}
