package profile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"simone/mib"
)

// Kind says what number is made of an object.
type Kind int

// The kinds of number.
const (
	// Auto is Rate where the agent answers with a counter, else Value.
	Auto  Kind = iota
	Value      // as the agent gives it
	Rate       // by how much it grows, per second
)

func (k Kind) String() string { return [...]string{"auto", "value", "rate"}[min(max(k, 0), Rate)] }

// Object is one line of a profile.
type Object struct {
	// Name is that of the metric.
	Name string
	// OID is that of a scalar's instance, or with Column that of a column.
	OID    mib.OID
	Column bool
	// Parts are the subtrees of a column, and Instances the rows of it, that
	// are read; the whole column is if there are neither.
	Parts     []mib.OID
	Instances []mib.OID
	Kind      Kind
	Unit      string  // of what becomes of it: octets/s and not octets, for a rate
	Scale     float64 // 0 is 1
	Offset    float64 // added to what was scaled
	Help      string
	// Interval is how often it is read; 0 is in each poll. It cannot be read
	// more often.
	Interval time.Duration
	// Discontinuity is an object whose change says that the counter has begun
	// anew: a column of the same index as a column, else an instance.
	Discontinuity mib.OID
}

// Profile says what to read of a node. It does not change once it is in a Set.
type Profile struct {
	Name    string
	Source  string // the file it is from; empty: it is built in
	Objects []Object
	// MaxRepetitions is how many rows of a table are asked for at a time at
	// most, Retries how many further attempts a request has and Timeout how
	// long each waits; 0 leaves that to the manager.
	MaxRepetitions int
	Retries        int
	Timeout        time.Duration

	// fixed says that its name alone stands for it: those that were there
	// before profiles had digests.
	fixed bool
	// numbers are those of fixed metrics.
	numbers map[string]uint32
}

// digestDigits is how many hexadecimal digits of a digest are shown: with so
// many a thousand versions of a profile differ.
const digestDigits = 8

// Digest tells versions of a profile apart: it changes with whatever changes
// what is read or what the numbers mean.
func (p *Profile) Digest() string {
	lines := make([]string, len(p.Objects))
	for i := range p.Objects {
		lines[i] = p.Objects[i].canonical() + " every " + p.Objects[i].Interval.String()
	}
	slices.Sort(lines)
	return digest(strings.Join(lines, "\n"))
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digestDigits]
}

// canonical is all that says what the metric is.
func (o *Object) canonical() string {
	return fmt.Sprintf("%s %v %t %v %v %v %q %v %v %v", o.Name, o.OID, o.Column, o.Parts, o.Instances, o.Kind, o.Unit, o.scale(), o.Offset, o.Discontinuity)
}

func (o *Object) scale() float64 {
	if o.Scale == 0 {
		return 1
	}
	return o.Scale
}

// Ref is how rows name the profile: its name, and with @ its digest, so that
// no manager polls something else under the same name.
func (p *Profile) Ref() string {
	if p.fixed {
		return p.Name
	}
	return p.Name + "@" + p.Digest()
}

// number is that of a metric: made of the digest of its own line, so that it is
// the same wherever it means the same, and stays when other lines change.
func (p *Profile) number(o *Object) uint32 {
	if n, ok := p.numbers[o.Name]; ok {
		return n
	}
	return mib.MetricNumber(p.Name, o.Name+"@"+digest(o.canonical()))
}

// Metrics describes the metrics as the registry has them. The scale is that of
// what was answered, which has become a value in the unit by then.
func (p *Profile) Metrics() []mib.Metric {
	ms := make([]mib.Metric, len(p.Objects))
	for i := range p.Objects {
		o := &p.Objects[i]
		ms[i] = mib.Metric{Number: p.number(o), Profile: p.Name, Name: o.Name, Unit: o.Unit, Scale: o.scale(), Help: o.Help}
	}
	return ms
}

// Validate says what is wrong with the profile, by the place of the object:
// objects[3].
func (p *Profile) Validate() error {
	if len(p.Objects) == 0 {
		return fmt.Errorf("it has no objects; list at least one")
	}
	seen := make(map[string]int)
	for i := range p.Objects {
		o := &p.Objects[i]
		at := "objects[" + strconv.Itoa(i) + "]"
		switch j, twice := seen[o.Name]; {
		case o.Name == "":
			return fmt.Errorf("%s has no name", at)
		case twice:
			return fmt.Errorf("%s and objects[%d] are both called %s; give one another name", at, j, o.Name)
		case len(o.OID) < 2:
			return fmt.Errorf("%s (%s): %v is no object", at, o.Name, o.OID)
		}
		seen[o.Name] = i
	}
	return nil
}
