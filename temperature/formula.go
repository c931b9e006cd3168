package temperature

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/vm"
)

// Max is the highest temperature: what a formula gives above it is cut to it.
const Max = 1e9

// MaxExpression is the most octets an expression may have, so that it fits
// the DisplayString of simoneTemperatureExpression.
const MaxExpression = 255

// maxNodes bounds the syntax tree of an expression. As an expression has no
// loops, it bounds the time of an evaluation too.
const maxNodes = 100

// functions are what an expression may call besides operators.
var functions = [...]string{"abs", "ceil", "floor", "round", "min", "max"}

// Inputs are the measurements that a formula may use, under these names.
type Inputs struct {
	I float64 // intrusion: percent of the node's CPU that SIMONE itself uses
	L float64 // mean node latency of the window, in stu
	U float64 // utilisation, percent: CPU per poll x polls per second / CPU available
	B float64 // backlog: polls due but not yet finished
}

// Formula computes a temperature. The zero Formula is the paper's present
// choice, a = 0 and b = 1. A Formula is immutable and safe for concurrent use.
type Formula struct {
	a, b    float64
	linear  bool // a and b are set; otherwise, without a program, 0 and 1
	text    string
	program *vm.Program
}

// Linear is T = aI + bL with weights that are finite, not negative and not
// both zero.
func Linear(a, b float64) (Formula, error) {
	for _, w := range [...]struct {
		name  string
		value float64
	}{{"a", a}, {"b", b}} {
		if math.IsNaN(w.value) || w.value < 0 || w.value > Max {
			return Formula{}, fmt.Errorf("temperature weight %s is %v; write a number from 0 to %.0f", w.name, w.value, Max)
		}
	}
	if a == 0 && b == 0 {
		return Formula{}, errors.New("temperature weights a and b are both 0; one of them must be positive (the paper's are a=0, b=1)")
	}
	return Formula{a: a, b: b, linear: true}, nil
}

// SyntaxError says what is wrong with an expression, and where.
type SyntaxError struct {
	Expression string
	Line       int // from 1
	Column     int // from 1
	Reason     string
}

func (e *SyntaxError) Error() string {
	at := "column " + strconv.Itoa(e.Column)
	if e.Line > 1 {
		at = "line " + strconv.Itoa(e.Line) + ", " + at
	}
	return fmt.Sprintf("temperature expression %q, %s: %s", e.Expression, at, e.Reason)
}

// Compile makes a formula from an expression over I, L, U and B (see Inputs)
// with numbers, the operators + - * / ** %, comparisons, && || !, the
// conditional c ? x : y, and the functions abs, ceil, floor, round, min, max.
// Errors are of type *SyntaxError.
func Compile(expression string) (Formula, error) {
	fail := func(line, column int, format string, args ...any) (Formula, error) {
		return Formula{}, &SyntaxError{expression, line, column, fmt.Sprintf(format, args...)}
	}
	if strings.TrimSpace(expression) == "" {
		return fail(1, 1, "it is empty; write for example 0.2*I + L")
	}
	if len(expression) > MaxExpression {
		return fail(1, MaxExpression+1, "it has %d octets; at most %d are allowed", len(expression), MaxExpression)
	}
	var allowed allowList
	options := []expr.Option{
		expr.Env(Inputs{}),
		expr.AsFloat64(),
		expr.MaxNodes(maxNodes),
		expr.DisableAllBuiltins(),
		expr.Patch(&allowed),
	}
	for _, name := range functions {
		options = append(options, expr.EnableBuiltin(name))
	}
	program, err := expr.Compile(expression, options...)
	if allowed.node != nil {
		line, column := position(expression, allowed.node.Location().From)
		return fail(line, column, "%s; only numbers, I, L, U, B, arithmetic, comparisons, c ? x : y and %s are allowed",
			allowed.reason, strings.Join(functions[:], ", "))
	}
	if err != nil {
		var at *file.Error
		if !errors.As(err, &at) {
			return fail(1, 1, "%v", err)
		}
		return fail(max(at.Line, 1), at.Column+1, "%s", remedy(at.Message))
	}
	return Formula{text: expression, program: program}, nil
}

// remedy adds what to write to the messages that operators meet most.
func remedy(message string) string {
	if strings.HasPrefix(message, "unknown name") {
		return message + "; the names are I (intrusion, percent), L (latency, stu), U (utilisation, percent) and B (backlog)"
	}
	return message
}

// position counts line and column, both from 1, of the rune at offset.
func position(s string, offset int) (line, column int) {
	line, column = 1, 1
	n := 0
	for _, r := range s {
		if n == offset {
			break
		}
		n++
		column++
		if r == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}

// allowList is an expr visitor that finds the first node that is neither
// arithmetic nor logic: what could loop, allocate or leave numbers.
type allowList struct {
	node   ast.Node
	reason string
}

// Visit implements ast.Visitor; it changes nothing.
func (v *allowList) Visit(node *ast.Node) {
	if v.node != nil {
		return
	}
	switch n := (*node).(type) {
	case *ast.IdentifierNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.ConditionalNode:
		return
	case *ast.UnaryNode:
		return
	case *ast.BinaryNode:
		switch n.Operator {
		case "+", "-", "*", "/", "%", "**", "^", "<", "<=", ">", ">=", "==", "!=", "&&", "||", "and", "or":
			return
		}
		v.reason = fmt.Sprintf("operator %q is not for numbers", n.Operator)
	case *ast.BuiltinNode:
		for _, name := range functions {
			if n.Name == name {
				return
			}
		}
		v.reason = fmt.Sprintf("%s() is not available", n.Name)
	default:
		v.reason = "this is not a number"
	}
	v.node = *node
}

// Temperature computes T, from 0 to Max. What is below or above is cut; a
// result that is no number (0/0) or infinite is an error, after which a caller
// does best to keep the temperature it had.
func (f Formula) Temperature(in Inputs) (float64, error) {
	t, err := f.eval(in)
	if err != nil {
		return 0, err
	}
	if math.IsNaN(t) || math.IsInf(t, 0) {
		return 0, fmt.Errorf("temperature %v is %v at I=%v L=%v U=%v B=%v; guard divisions, for example L / max(U, 1)", f, t, in.I, in.L, in.U, in.B)
	}
	return min(max(t, 0), Max), nil
}

func (f Formula) eval(in Inputs) (float64, error) {
	switch {
	case f.program != nil:
		v, err := expr.Run(f.program, in)
		if err != nil {
			return 0, fmt.Errorf("evaluate temperature %v: %w", f, err)
		}
		t, ok := v.(float64)
		if !ok {
			return 0, fmt.Errorf("evaluate temperature %v: the result is %T, not a number", f, v)
		}
		return t, nil
	case f.linear:
		return f.a*in.I + f.b*in.L, nil
	}
	return in.L, nil
}

// Weights gives a and b of T = aI + bL; ok is false for an expression.
func (f Formula) Weights() (a, b float64, ok bool) {
	switch {
	case f.program != nil:
		return 0, 0, false
	case f.linear:
		return f.a, f.b, true
	}
	return 0, 1, true
}

// Expression is the text that Compile was given, or empty.
func (f Formula) Expression() string { return f.text }

// String is the formula as one could type it.
func (f Formula) String() string {
	if f.program != nil {
		return f.text
	}
	a, b, _ := f.Weights()
	return strconv.FormatFloat(a, 'g', -1, 64) + "*I + " + strconv.FormatFloat(b, 'g', -1, 64) + "*L"
}
