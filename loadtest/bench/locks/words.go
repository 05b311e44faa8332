package locks

import (
	"fmt"
	"strings"
)

// besideBest is the cell's throughput as a multiple of the best library's on the same server.
func (f Figures) besideBest(c Cell) string {
	best := f.best(c)
	if best == nil || c.Server == "" {
		return ""
	}
	return fmt.Sprintf("%.2f", c.Median.TurnsPerSecond/best.Median.TurnsPerSecond)
}

func (s Shares) words(processes int) string {
	if processes == 1 {
		return ""
	}
	return fmt.Sprintf("%.0f–%.0f", s.Least, s.Most)
}

// remark says what makes the cell's figures worth less than they seem.
func (c Cell) remark() string {
	var remarks []string
	switch m := c.Median; {
	case c.OneProcess && c.Processes > 1:
		remarks = append(remarks, "each process by itself")
	case m.Overlaps > 0:
		remarks = append(remarks, fmt.Sprintf("LET IN TWO AT ONCE, %d times", m.Overlaps))
	}
	if m := c.Median; m.Failures > 0 {
		remarks = append(remarks, fmt.Sprintf("%d errors, first: %s", m.Failures, m.Failure))
	}
	return strings.Join(remarks, "; ")
}
