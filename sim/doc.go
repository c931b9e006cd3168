// Package sim is document 001's evaluation: a queueing model of a network
// computing system and of the monitoring system in it, run in virtual time
// (docs/evaluation.md).
//
// Leaves and ILM hosts have CPUs that their jobs share evenly: computing jobs,
// which come by a stochastic law, the agent's, and answers to polls. A manager's
// own jobs queue before the CPU of its host, so that how long a report takes
// depends on how many there are and on what else the host does. That time is
// the temperature by which a [Policy] moves leaves between ILMs, or ILMs
// between hosts. Policy paper is the daemons' own code (package reconfig).
//
// A run is a function of its parameters: the same seed gives the same events,
// and all policies meet the same computing jobs.
package sim
