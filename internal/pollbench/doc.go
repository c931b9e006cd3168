// Package pollbench measures what it costs to poll many agents: with the
// project's poll engine, with gosnmp as it is usually used, and with a bare
// exchange of the same datagrams, which is the floor. The agents are a farm in
// a process of its own, and each way to poll has a process too, so that CPU
// time and memory are its own. They take turns, again and again, so that what
// disturbs the machine disturbs all.
package pollbench
