package report

import (
	"fmt"
	"slices"
	"strings"

	"orderd/loadtest/audit"
)

// A matrix is what every fault did to every lock, by guard. Least and Most are the bounds on
// how often its cells were tried.
type matrix struct {
	Locks       []string
	Least, Most int
	Faults      []faultRows
	Wrong       []mark // the cells not as expected
}

type faultRows struct {
	Name, Title string
	Rows        []guardRow
}

// A guardRow has the marks for each lock; none where the fault does not concern it.
type guardRow struct {
	Guard string
	Cells [][]mark
}

// A mark says in a few words what became of the cell of that number.
type mark struct {
	Number                 int
	Look, Sign, Word, More string
	Title                  string
	Why                    []string // why it is not as expected
}

// newMatrix arranges the cells that have a fault, in their order; nil if there are none.
// titles say what each fault does.
func newMatrix(cells []Cell, titles map[string]string) *matrix {
	var m matrix
	guards := map[string][]string{} // of each fault
	marks := map[[3]string][]mark{}
	for i, c := range cells {
		if c.Fault == "" {
			continue
		}
		if !slices.Contains(m.Locks, c.Lock) {
			m.Locks = append(m.Locks, c.Lock)
		}
		if guards[c.Fault] == nil {
			m.Faults = append(m.Faults, faultRows{Name: c.Fault, Title: titles[c.Fault]})
		}
		if !slices.Contains(guards[c.Fault], c.Guard) {
			guards[c.Fault] = append(guards[c.Fault], c.Guard)
		}
		if tries := c.Tries.total(); m.Most == 0 || tries < m.Least {
			m.Least = tries
		}
		m.Most = max(m.Most, c.Tries.total())
		key := [3]string{c.Fault, c.Guard, c.Lock}
		marks[key] = append(marks[key], c.mark(i))
		if !c.Met {
			m.Wrong = append(m.Wrong, c.mark(i))
		}
	}
	if m.Faults == nil {
		return nil
	}
	for i, f := range m.Faults {
		for _, guard := range guards[f.Name] {
			row := guardRow{Guard: guard}
			for _, lock := range m.Locks {
				row.Cells = append(row.Cells, marks[[3]string{f.Name, guard, lock}])
			}
			m.Faults[i].Rows = append(m.Faults[i].Rows, row)
		}
	}
	return &m
}

func (c Cell) mark(number int) mark {
	var more []string
	if c.look() == "wrong" {
		more = append(more, "NOT EXPECTED")
	}
	if c.Verdict == audit.Held && c.CaughtBy != "" && c.CaughtBy != "nothing" {
		more = append(more, c.CaughtBy)
	}
	if c.Expectation == Either {
		more = append(more, "by chance")
	}
	if t := c.Tries; t != nil && max(t.Held, t.Violated, t.Undecided) < t.total() {
		count := map[audit.Verdict]int{audit.Held: t.Held, audit.Violated: t.Violated, audit.Undecided: t.Undecided}
		more = append(more, fmt.Sprintf("%d of %d", count[c.Verdict], t.total()))
	}
	return mark{
		Number: number, Look: c.look(), Sign: c.sign(), Word: c.plain(), More: strings.Join(more, " · "),
		Title: fmt.Sprintf("%s, %s, guard %s: %s", c.Fault, c.Lock, c.Guard, c.Words()),
		Why:   c.Wrong(),
	}
}

// look is how a cell is marked: good, broke (as expected), open (undecided) or wrong.
func (c Cell) look() string {
	switch {
	case c.Met && c.Verdict == audit.Violated:
		return "broke"
	case c.Met:
		return "good"
	case c.Verdict == audit.Undecided:
		return "open"
	default:
		return "wrong"
	}
}

// sign is the look of a cell in one character.
func (c Cell) sign() string {
	return map[string]string{"good": "✓", "broke": "✗", "open": "?", "wrong": "‼"}[c.look()]
}
