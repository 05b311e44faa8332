package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"orderd/loadtest/audit"
	"orderd/loadtest/load"
)

// A line of history.jsonl is one record of one cell.
type line struct {
	Cell     int            `json:"cell"`
	Op       *load.Op       `json:"op,omitempty"`
	Act      *load.Action   `json:"act,omitempty"`
	Movement *load.Movement `json:"movement,omitempty"`
	Lease    *audit.Lease   `json:"lease,omitempty"`
	Placed   *audit.Placed  `json:"placed,omitempty"`
	Start    *audit.Start   `json:"start,omitempty"`
	Level    *audit.Level   `json:"level,omitempty"`
	Left     *audit.Left    `json:"left,omitempty"`
	Fault    *audit.Fault   `json:"fault,omitempty"`
	Probe    *load.Op       `json:"probe,omitempty"`
}

// encode writes a line for each item.
func encode[T any](enc *json.Encoder, items []T, wrap func(*T) line) (err error) {
	for i := range items {
		err = errors.Join(err, enc.Encode(wrap(&items[i])))
	}
	return err
}

// encodeCell writes the records of a cell in their order.
func encodeCell(enc *json.Encoder, cell int, r *audit.Records) error {
	err := errors.Join(
		encode(enc, r.Ops, func(op *load.Op) line { return line{Cell: cell, Op: op} }),
		encode(enc, r.Acts, func(act *load.Action) line { return line{Cell: cell, Act: act} }),
		encode(enc, r.Ledger, func(m *load.Movement) line { return line{Cell: cell, Movement: m} }),
		encode(enc, r.Leases, func(l *audit.Lease) line { return line{Cell: cell, Lease: l} }),
		encode(enc, r.Placed, func(p *audit.Placed) line { return line{Cell: cell, Placed: p} }),
		encode(enc, r.Starts, func(s *audit.Start) line { return line{Cell: cell, Start: s} }),
		encode(enc, r.Levels, func(l *audit.Level) line { return line{Cell: cell, Level: l} }),
		encode(enc, r.Probes, func(op *load.Op) line { return line{Cell: cell, Probe: op} }),
	)
	if r.Left != nil {
		err = errors.Join(err, enc.Encode(line{Cell: cell, Left: r.Left}))
	}
	if r.Fault != nil {
		err = errors.Join(err, enc.Encode(line{Cell: cell, Fault: r.Fault}))
	}
	return err
}

// addTo adds the record to those of its cell.
func (l line) addTo(r *audit.Records) {
	switch {
	case l.Op != nil:
		r.Ops = append(r.Ops, *l.Op)
	case l.Act != nil:
		r.Acts = append(r.Acts, *l.Act)
	case l.Movement != nil:
		r.Ledger = append(r.Ledger, *l.Movement)
	case l.Lease != nil:
		r.Leases = append(r.Leases, *l.Lease)
	case l.Placed != nil:
		r.Placed = append(r.Placed, *l.Placed)
	case l.Start != nil:
		r.Starts = append(r.Starts, *l.Start)
	case l.Level != nil:
		r.Levels = append(r.Levels, *l.Level)
	case l.Left != nil:
		r.Left = l.Left
	case l.Fault != nil:
		r.Fault = l.Fault
	case l.Probe != nil:
		r.Probes = append(r.Probes, *l.Probe)
	}
}

// writeHistory writes history.jsonl: the records of each cell, in their order.
func (f Folder) writeHistory(cells []audit.Records) error {
	file, err := os.Create(f.path(historyFile))
	if err != nil {
		return err
	}
	buffer := bufio.NewWriter(file)
	enc := json.NewEncoder(buffer)
	for i, r := range cells {
		err = errors.Join(err, encodeCell(enc, i, &r))
	}
	return errors.Join(err, buffer.Flush(), file.Close())
}

// ReadHistory reads the records of n cells.
func (f Folder) ReadHistory(n int) ([]audit.Records, error) {
	file, err := os.Open(f.path(historyFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	cells := make([]audit.Records, n)
	dec := json.NewDecoder(bufio.NewReader(file))
	for number := 1; ; number++ {
		var l line
		err := dec.Decode(&l)
		if errors.Is(err, io.EOF) {
			return cells, nil
		}
		if err == nil && (l.Cell < 0 || l.Cell >= n) {
			err = fmt.Errorf("there is no cell %d", l.Cell)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, record %d: %w", f.path(historyFile), number, err)
		}
		l.addTo(&cells[l.Cell])
	}
}
