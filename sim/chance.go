package sim

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"simone/sim/scenario"
)

// purpose is what random numbers are for. Each (seed, node, purpose) has a
// stream of its own, so that all policies meet the same workload.
type purpose uint8

const (
	forGaps purpose = iota + 1
	forDemands
	forAgent
	forSpeed
	forPolicy
	forDeaths
)

// stream is the random numbers of one node for one purpose.
func stream(seed int, node int32, p purpose) (s rand.PCG) {
	x := mix(uint64(seed) + 0x9E3779B97F4A7C15)
	x = mix(x ^ uint64(node)<<8 ^ uint64(p))
	s.Seed(x, mix(x+0x9E3779B97F4A7C15))
	return s
}

// mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection
// in which every bit of the argument affects every bit of the result.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}

// uniform draws from the open interval (0, 1).
func uniform(s *rand.PCG) float64 { return (float64(s.Uint64()>>11) + 0.5) / (1 << 53) }

// law is a distribution by its quantile function.
type law func(p float64) float64

func (l law) draw(s *rand.PCG) float64 { return l(uniform(s)) }

// gapLaw is that of the times between arrivals of NCS jobs.
func gapLaw(p *scenario.Parameters) law {
	scale := p.Mean / p.Rho / math.Gamma(1+1/p.Shape)
	return distuv.Weibull{K: p.Shape, Lambda: scale}.Quantile
}

// demandLaw is that of their demands.
func demandLaw(p *scenario.Parameters) law {
	switch p.Service {
	case "fixed":
		return func(float64) float64 { return p.Mean }
	case "exponential":
		return distuv.Exponential{Rate: 1 / p.Mean}.Quantile
	}
	return boundedPareto(p.ParetoShape, p.ParetoRatio, p.Mean)
}

// boundedPareto has density proportional to x^-(alpha+1) from its lower bound
// to ratio times that.
func boundedPareto(alpha, ratio, mean float64) law {
	cut := 1 - math.Pow(ratio, -alpha) // of the unbounded law's mass
	unit := alpha / (alpha - 1) * (1 - math.Pow(ratio, 1-alpha)) / cut
	lower := mean / unit
	return func(p float64) float64 { return lower * math.Pow(1-p*cut, -1/alpha) }
}

// speedOf draws a host's speed: log-normal with mean 1.
func speedOf(p *scenario.Parameters, node int32) float64 {
	if p.SpeedSigma == 0 {
		return 1
	}
	s := stream(p.Seed, node, forSpeed)
	l := distuv.LogNormal{Mu: -p.SpeedSigma * p.SpeedSigma / 2, Sigma: p.SpeedSigma}
	return l.Quantile(uniform(&s))
}
