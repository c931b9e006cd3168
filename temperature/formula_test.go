package temperature

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// Document 001, section 3.1: T = aI + bL, "we currently assign a weight 1 to
// latency and 0 to intrusion".
func TestFormulaLinear(t *testing.T) {
	in := Inputs{I: 10, L: 40, U: 55, B: 3}
	for _, tc := range []struct {
		name string
		a, b float64
		want float64
	}{
		{"the paper's weights", 0, 1, 40},
		{"intrusion alone", 1, 0, 10},
		{"both", 0.2, 2, 82},
		{"cut at the maximum", Max, 0, Max},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, err := Linear(tc.a, tc.b)
			if err != nil {
				t.Fatal(err)
			}
			checkTemperature(t, f, in, tc.want)
		})
	}
	t.Run("the zero formula is the paper's", func(t *testing.T) {
		checkTemperature(t, Formula{}, in, 40)
		if got := (Formula{}).String(); got != "0*I + 1*L" {
			t.Errorf("String() = %q", got)
		}
	})
}

func checkTemperature(t *testing.T, f Formula, in Inputs, want float64) {
	t.Helper()
	got, err := f.Temperature(in)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%v at %+v = %v, want %v", f, in, got, want)
	}
}

func TestFormulaLinearRefuses(t *testing.T) {
	for _, tc := range []struct {
		name string
		a, b float64
		want string
	}{
		{"negative", -1, 1, "weight a is -1"},
		{"not a number", 0, math.NaN(), "weight b is NaN"},
		{"infinite", math.Inf(1), 1, "weight a is +Inf"},
		{"both zero", 0, 0, "both 0"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Linear(tc.a, tc.b)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestFormulaExpression(t *testing.T) {
	in := Inputs{I: 10, L: 40, U: 55, B: 3}
	for _, tc := range []struct {
		expression string
		want       float64
	}{
		{"0.2*I + L", 42},
		{"L", 40},
		{"7", 7},
		{"I > 5 ? 10 : L", 10},
		{"I > 5 && U > 50 ? L + 100 : L", 140},
		{"max(I, L, U)", 55},
		{"min(I, 3)", 3},
		{"round(L / 3)", 13},
		{"abs(-B)", 3},
		{"L / max(U - 55, 1)", 40},
		{"2 ** B", 8},
		{"L - 1000", 0},       // below is cut to 0
		{"L * 1e12", Max},     // above is cut to Max
		{"L\n + I\n + B", 53}, // several lines, as YAML folds them
	} {
		t.Run(tc.expression, func(t *testing.T) {
			f, err := Compile(tc.expression)
			if err != nil {
				t.Fatal(err)
			}
			checkTemperature(t, f, in, tc.want)
			if f.Expression() != tc.expression {
				t.Errorf("Expression() = %q", f.Expression())
			}
			if _, _, ok := f.Weights(); ok {
				t.Error("an expression claims to have weights")
			}
		})
	}
}

func TestFormulaExpressionRefuses(t *testing.T) {
	for _, tc := range []struct {
		name, expression string
		line, column     int
		want             string
	}{
		{"empty", " ", 1, 1, "it is empty"},
		{"unknown name", "0.2*I + T", 1, 9, "the names are I"},
		{"lower case", "l", 1, 1, "unknown name"},
		{"half an expression", "I +", 1, 3, "unexpected token"},
		{"second line", "I +\n  X", 2, 3, "unknown name"},
		{"a text", `"hot"`, 1, 1, "not a number"},
		{"a comparison is not a number", "I > L", 1, 1, "bool"},
		{"a range would allocate", "sum(1..1000000)", 1, 6, "not for numbers"},
		{"range alone", "max(1..5)", 1, 6, "not for numbers"},
		{"a list", "max([I, L])", 1, 5, "not a number"},
		{"a loop", "map([1], # * 2)[0]", 1, 5, "not a number"},
		{"a variable", "let x = I; x * L", 1, 5, "not a number"},
		{"a builtin that is off", "now()", 1, 1, "now"},
		{"the environment", "$env.I", 1, 6, "not a number"},
		{"too long", strings.Repeat("I+", 200) + "I", 1, 256, "at most 255"},
		{"too many nodes", strings.Repeat("I+", 100) + "I", 1, 1, "nodes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Compile(tc.expression)
			var at *SyntaxError
			if !errors.As(err, &at) {
				t.Fatalf("error %v is no *SyntaxError", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %q does not say %q", err, tc.want)
			}
			if tc.name != "too many nodes" && (at.Line != tc.line || at.Column != tc.column) {
				t.Errorf("error %q at %d:%d, want %d:%d", err, at.Line, at.Column, tc.line, tc.column)
			}
		})
	}
}

func TestFormulaThatIsNoNumber(t *testing.T) {
	for _, expression := range []string{"L / I", "L / I - L / I", "2 ** L"} {
		t.Run(expression, func(t *testing.T) {
			f, err := Compile(expression)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := f.Temperature(Inputs{L: 5000}); err == nil {
				t.Errorf("T = %v without an error", got)
			}
		})
	}
	t.Run("remainder by zero", func(t *testing.T) {
		f, err := Compile("5 % (I > 0 ? 1 : 0)")
		if err != nil {
			t.Skipf("refused at compile time: %v", err)
		}
		if got, err := f.Temperature(Inputs{}); err == nil {
			t.Errorf("T = %v without an error", got)
		}
	})
}

func BenchmarkFormulaExpression(b *testing.B) {
	f, err := Compile("0.2*I + L")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := f.Temperature(Inputs{I: 10, L: 40}); err != nil {
			b.Fatal(err)
		}
	}
}
