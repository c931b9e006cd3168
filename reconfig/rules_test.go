package reconfig

import (
	"bytes"
	"reflect"
	"testing"
)

// Each of the rules is told: it comes back as settings, and changes the sum of
// the SET that tells it.
func TestEachRuleIsTold(t *testing.T) {
	for i := range reflect.TypeFor[Rules]().NumField() {
		name := reflect.TypeFor[Rules]().Field(i).Name
		t.Run(name, func(t *testing.T) {
			was := DefaultSettings().Rules()
			is := was
			switch f := reflect.ValueOf(&is).Elem().Field(i); f.Kind() {
			case reflect.String:
				f.SetString("paper")
			case reflect.Bool:
				f.SetBool(!f.Bool())
			case reflect.Uint32:
				f.SetUint(f.Uint() + 7)
			default:
				is.Thresholds.Split++
			}
			if got := is.Over(DefaultSettings()).Rules(); got != is {
				t.Errorf("the settings give %+v, want %+v", got, is)
			}
			if a, b := (IlmSettings{Rules: was}).append(nil), (IlmSettings{Rules: is}).append(nil); bytes.Equal(a, b) {
				t.Error("it is not part of the sum")
			}
		})
	}
}
