package mib

import "strconv"

// RowStatus is the textual convention of RFC 2579.
type RowStatus int32

// The row states and requests.
const (
	RowActive        RowStatus = 1
	RowNotInService  RowStatus = 2
	RowNotReady      RowStatus = 3
	RowCreateAndGo   RowStatus = 4
	RowCreateAndWait RowStatus = 5
	RowDestroy       RowStatus = 6
)

func (s RowStatus) String() string {
	switch s {
	case RowActive:
		return "active"
	case RowNotInService:
		return "notInService"
	case RowNotReady:
		return "notReady"
	case RowCreateAndGo:
		return "createAndGo"
	case RowCreateAndWait:
		return "createAndWait"
	case RowDestroy:
		return "destroy"
	}
	return "row-status(" + strconv.Itoa(int(s)) + ")"
}

// CheckRowStatus judges a request for a table whose rows are complete from
// the start, as SIMONE's are: a row is created with createAndGo and all its
// columns in one SET, is active from then on, and goes with destroy. What a
// manager may ask by RFC 2579 but not here is wrongValue, which that RFC
// allows for createAndWait and notInService.
func CheckRowStatus(exists bool, request RowStatus) (ErrorStatus, string) {
	switch request {
	case RowCreateAndGo:
		if exists {
			return InconsistentValue, "the row is there already"
		}
	case RowActive:
		if !exists {
			return InconsistentValue, "there is no such row; createAndGo(4) makes one"
		}
	case RowDestroy: // of no row is no error
	default:
		return WrongValue, request.String() + " is not supported; ask for createAndGo(4), active(1) or destroy(6)"
	}
	return NoError, ""
}
