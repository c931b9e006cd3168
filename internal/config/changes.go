package config

import (
	"reflect"
	"slices"
)

// Changes compares two configurations of the same type, pointers to Node,
// TLM or Demo: now lists the keys whose new values can take effect in the
// running process, restart those that need a new one. Both are sorted.
func Changes(before, after any) (now, restart []string) {
	compare(reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem(), "", "", func(key, reload string) {
		if reload == "now" {
			now = append(now, key)
		} else {
			restart = append(restart, key)
		}
	})
	slices.Sort(now)
	slices.Sort(restart)
	return now, restart
}

// compare calls changed for each key below two structs of the same type whose
// values differ; a key without a reload tag has that of the struct around it.
func compare(a, b reflect.Value, key, reload string, changed func(key, reload string)) {
	for _, f := range fieldsOf(a.Type()) {
		how := f.reload
		if how == "" {
			how = reload
		}
		x, y := a.FieldByIndex(f.index), b.FieldByIndex(f.index)
		switch {
		case x.Kind() == reflect.Struct && len(fieldsOf(f.typ)) > 0:
			compare(x, y, join(key, f.name), how, changed)
		case x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0:
			// An empty list and none are the same.
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			changed(join(key, f.name), how)
		}
	}
}
