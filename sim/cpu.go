package sim

import "math"

// never is when nothing happens.
var never = math.Inf(1)

// cpu is a processor that its jobs share evenly: each of n gets speed/n.
// Its clock is virtual: it counts the service that a job gets which has been
// there all the time, so that a job's end is known in virtual time when it
// enters, whatever comes and goes. Entering and leaving cost O(log n).
type cpu struct {
	jobs    []job   // a heap by end
	virtual float64 // service, at since
	since   float64 // when jobs last changed
	slow    float64 // 1/speed

	// When the world looks whether a job is done: the world's business, here
	// to be in the same cache line.
	look, glance float64
}

// job is one that a CPU works on. Every leaf has room for some, so it is
// small; the demand is kept for ratios and sums only.
type job struct {
	end    float64 // in virtual time
	start  float64 // when it entered
	demand float32
	kind   jobKind
	worker uint16 // of a manager's job: who is at it; of a poll that moves staged: for which ILM
}

type jobKind uint8

const (
	jobNCS jobKind = iota
	jobAgent
	jobPoll
	jobManager
	jobKinds
)

// done is when the next job ends if none enters before; never if idle.
func (c *cpu) done() float64 {
	if len(c.jobs) == 0 {
		return never
	}
	return c.since + (c.jobs[0].end-c.virtual)*float64(len(c.jobs))*c.slow
}

// enter takes in a job of the kind and worker given.
func (c *cpu) enter(now, demand float64, j job) {
	if n := len(c.jobs); n == 0 {
		c.virtual = 0 // so that virtual time stays exact however long the run
	} else if now > c.since { // not where one job follows another
		c.virtual += (now - c.since) / (float64(n) * c.slow)
	}
	c.since = now
	j.start, j.end, j.demand = now, c.virtual+demand, float32(demand)
	c.jobs = append(c.jobs, j)
	i := len(c.jobs) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if c.jobs[parent].end <= j.end {
			break
		}
		c.jobs[i] = c.jobs[parent]
		i = parent
	}
	c.jobs[i] = j
}

// pass is what takes in a job and lets it go again, if it is the first to leave
// and that is before a time until which no other comes; ok is false if it is
// not. What it gives becomes true by skip.
func (c *cpu) pass(now, demand, before float64) (end, virtual float64, ok bool) {
	n := float64(len(c.jobs))
	if n > 0 {
		if virtual = c.virtual; now > c.since {
			virtual += (now - c.since) / (n * c.slow)
		}
	}
	left := virtual + demand
	if n > 0 && c.jobs[0].end <= left {
		return 0, 0, false
	}
	end = now + (left-virtual)*(n+1)*c.slow
	return end, left, end < before
}

// skip goes on to the end of a job that passes.
func (c *cpu) skip(end, virtual float64) { c.since, c.virtual = end, virtual }

// drop lets a job go that never ends; there has to be one.
func (c *cpu) drop(now float64) {
	c.virtual += (now - c.since) / (float64(len(c.jobs)) * c.slow)
	c.since = now
	i := len(c.jobs) - 1
	for c.jobs[i].end != never {
		i--
	}
	end := len(c.jobs) - 1
	j := c.jobs[end]
	c.jobs = c.jobs[:end]
	if i == end {
		return
	}
	// What takes its place ends sooner, if at all: it can only rise.
	for i > 0 {
		parent := (i - 1) / 2
		if c.jobs[parent].end <= j.end {
			break
		}
		c.jobs[i] = c.jobs[parent]
		i = parent
	}
	c.jobs[i] = j
}

// leave lets the job go that ends now.
func (c *cpu) leave(now float64) job {
	first := c.jobs[0]
	c.virtual, c.since = first.end, now
	end := len(c.jobs) - 1
	j := c.jobs[end]
	c.jobs = c.jobs[:end]
	i := 0
	for {
		child := 2*i + 1
		if child >= end {
			break
		}
		if r := child + 1; r < end && c.jobs[r].end < c.jobs[child].end {
			child = r
		}
		if j.end <= c.jobs[child].end {
			break
		}
		c.jobs[i] = c.jobs[child]
		i = child
	}
	if end > 0 {
		c.jobs[i] = j
	}
	return first
}
