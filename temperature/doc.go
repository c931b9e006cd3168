// Package temperature turns what an intermediate-level manager measured in one
// trigger window into its temperature: T = aI + bL (document 001, section
// 3.1) or an operator's expression, the weighted temperature over the last
// windows (section 5.4), and the latency figures of the window itself.
//
// Everything here is pure: times are arguments, nothing sleeps, reads a clock
// or starts a goroutine, so that the live managers and the simulator share it.
package temperature
