package sim

import (
	"bytes"
	"encoding/json"
	"math"
)

// MarshalJSON writes one object: each measure with its interval, and those of
// every run. What is not a number is null.
func (s *Summary) MarshalJSON() ([]byte, error) {
	var o object
	o.add("policy", s.Policy)
	o.add("seeds", len(s.Outcomes))
	for _, e := range s.Estimates {
		o.add(e.Key, number(e.Mean))
		o.add(e.Key+"_ci", number(e.CI))
	}
	o.add("transformations_per_hour_by_kind", s.PerHour)
	o.add("runs", s.Outcomes)
	if len(s.Against) > 0 {
		o.add("against", s.Against)
	}
	return o.json()
}

// MarshalJSON writes one object, with the measures in their order.
func (r Outcome) MarshalJSON() ([]byte, error) {
	var o object
	o.add("seed", r.Seed)
	for _, m := range Measures() {
		o.add(m.Key, number(r.Values[m.Key]))
	}
	o.add("events", r.Events)
	o.add("transformations_per_hour_by_kind", r.PerHour)
	return o.json()
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (r *Outcome) UnmarshalJSON(b []byte) error {
	var known struct {
		Seed    int                `json:"seed"`
		Events  uint64             `json:"events"`
		PerHour map[string]float64 `json:"transformations_per_hour_by_kind"`
	}
	if err := json.Unmarshal(b, &known); err != nil {
		return err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(b, &values); err != nil {
		return err
	}
	*r = Outcome{known.Seed, known.Events, make(map[string]float64), known.PerHour}
	for _, m := range Measures() {
		v := math.NaN()
		if text, ok := values[m.Key]; ok && string(text) != "null" {
			if err := json.Unmarshal(text, &v); err != nil {
				return err
			}
		}
		r.Values[m.Key] = v
	}
	return nil
}

// number is a value that JSON may not know.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	if f := float64(n); !math.IsNaN(f) && !math.IsInf(f, 0) {
		return json.Marshal(f)
	}
	return []byte("null"), nil
}

// object is a JSON object with its keys in the order in which they came.
type object struct {
	text bytes.Buffer
	err  error
}

func (o *object) add(key string, value any) {
	b, err := json.Marshal(value)
	if err != nil && o.err == nil {
		o.err = err
	}
	if o.text.Len() > 0 {
		o.text.WriteByte(',')
	}
	k, _ := json.Marshal(key) // text always can be
	o.text.Write(k)
	o.text.WriteByte(':')
	o.text.Write(b)
}

func (o *object) json() ([]byte, error) { return []byte("{" + o.text.String() + "}"), o.err }
