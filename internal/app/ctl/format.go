package ctl

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"simone/mib"
)

// number shows a number with up to two decimals; empty for none.
func number(f *float64) string {
	if f == nil {
		return ""
	}
	if abs := math.Abs(*f); abs >= 1e15 || abs != 0 && abs < 0.005 {
		return strconv.FormatFloat(*f, 'g', 3, 64)
	}
	return strconv.FormatFloat(math.Round(*f*100)/100, 'f', -1, 64)
}

// unit shows a number with its unit; empty for none.
func unit(f *float64, unit string) string {
	if f == nil {
		return ""
	}
	return number(f) + unit
}

// span shows an age or interval in seconds; empty for none.
func span(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	switch d := duration(*seconds); {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	default:
		return strconv.FormatFloat(math.Round(d.Seconds()*10)/10, 'f', -1, 64) + "s"
	}
}

// id shows a NodeID; empty for no node.
func id(n mib.NodeID) string {
	if n == 0 {
		return ""
	}
	return n.String()
}

// who shows a node by name and NodeID: ilm-2 (4).
func who(n mib.NodeID, name string) string {
	switch {
	case n == 0:
		return ""
	case name == "":
		return fmt.Sprintf("node %d", n)
	}
	return fmt.Sprintf("%s (%d)", name, n)
}

// count shows a number of things in words: 1 node, 2 nodes.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + thing + "s"
}

func (h Heat) paint() paint {
	switch h {
	case Cold:
		return cyan
	case Warm:
		return green
	case Hot:
		return yellow
	case Critical:
		return red
	}
	return plain
}

func (h Health) paint() paint {
	switch h {
	case OK:
		return green
	case Warn:
		return yellow
	case Fail:
		return red
	}
	return plain
}

// statusPaint colours what came of polls, and how far an ILM is.
func statusPaint(status string) paint {
	switch status {
	case mib.PollUp.String():
		return green
	case mib.PollFailing.String(), mib.IlmDown.String():
		return red
	case mib.PollWaiting.String(), mib.IlmStarting.String(), mib.IlmDraining.String():
		return yellow
	}
	return plain
}

// flags lists what is true, by its name.
func flags(pairs ...any) string {
	var names []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if on, ok := pairs[i+1].(bool); ok && on {
			names = append(names, fmt.Sprint(pairs[i]))
		}
	}
	return strings.Join(names, ",")
}
