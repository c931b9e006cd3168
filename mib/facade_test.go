package mib

import "testing"

func TestFacade(t *testing.T) {
	var f Facade
	name := Instance(SimoneNodeName)
	if v := f.Get(name); v.Type != TypeNoSuchObject {
		t.Errorf("an empty facade shows %v", v)
	}
	if _, ok := f.Next(OID{1}); ok {
		t.Error("an empty facade has a next variable")
	}
	if _, refused := f.Test([]Variable{{Name: name, Value: Text("x")}}); refused == nil {
		t.Error("an empty facade was written")
	}
	outer := NewTree()
	if err := outer.Register(SimoneMIB, &f); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", "second"} {
		scalars, err := NewScalars(Scalar{OID: SimoneNodeName, Read: func() Value { return Text(text) }})
		if err != nil {
			t.Fatal(err)
		}
		tree := NewTree()
		if err := scalars.Register(tree); err != nil {
			t.Fatal(err)
		}
		f.Show(tree)
		if v := outer.Get(name); string(v.Bytes) != text {
			t.Errorf("it shows %q, want %q", v.Bytes, text)
		}
		if v, ok := outer.Next(OID{1}); !ok || !v.Name.Equal(name) || string(v.Value.Bytes) != text {
			t.Errorf("next %v, %v", v, ok)
		}
	}
}
