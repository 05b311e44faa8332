package selftest

import (
	"container/heap"
	"time"
)

// A clock runs steps in the order of their virtual time, no two at one moment. Nothing waits
// for real time: the same seed gives the same sequence of steps.
type clock struct {
	now   time.Duration
	steps stepHeap
	added int
}

type step struct {
	at     time.Duration
	number int // orders steps of one moment as they were added
	do     func()
}

// after runs do once d has passed.
func (c *clock) after(d time.Duration, do func()) {
	c.added++
	heap.Push(&c.steps, step{c.now + d, c.added, do})
}

// run runs steps until there are none.
func (c *clock) run() {
	for len(c.steps) > 0 {
		s := heap.Pop(&c.steps).(step)
		c.now = max(s.at, c.now+1)
		s.do()
	}
}

type stepHeap []step

func (h stepHeap) Len() int { return len(h) }
func (h stepHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].number < h[j].number
}
func (h stepHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *stepHeap) Push(x any)   { *h = append(*h, x.(step)) }
func (h *stepHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
