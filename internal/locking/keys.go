package locking

import (
	"errors"
	"slices"
)

// sortedKeys returns the keys without duplicates, in the order in which every locker takes
// them.
func sortedKeys(keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, errors.New("locking: no key to acquire")
	}
	if slices.Contains(keys, "") {
		return nil, errors.New("locking: empty key")
	}
	sorted := slices.Sorted(slices.Values(keys))
	return slices.Compact(sorted), nil
}
