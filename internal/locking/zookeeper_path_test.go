package locking

import (
	"fmt"
	"math"
	"path"
	"strings"
	"testing"
)

func TestZKFolder(t *testing.T) {
	t.Parallel()
	seen := make(map[string]string)
	for _, key := range []string{
		"A-1", "a.b", ".", "..", "...", "/", "a/b", "a/../b", "%2F", "%", "a%2Fb", "\x00", "\n",
		"é", "e\u0301", "zookeeper", " ", "a b", "\xff", strings.Repeat("x", 300),
	} {
		folder := zkFolder(key)
		if path.Dir(folder) != zkRoot || path.Clean(folder) != folder {
			t.Errorf("the folder of %q, %q, is not right below %s", key, folder, zkRoot)
		}
		for i := range len(folder) {
			if c := folder[i]; c <= ' ' || c > '~' {
				t.Errorf("the folder of %q, %q, holds the byte %#x", key, folder, c)
			}
		}
		if other, taken := seen[folder]; taken {
			t.Errorf("%q and %q have the same folder", key, other)
		}
		seen[folder] = key
	}
	if got, want := zkFolder("A-1_b.2"), zkRoot+"/A-1_b.2"; got != want {
		t.Errorf("zkFolder() = %q, want %q: plain keys stay readable", got, want)
	}
}

// node names a node as the server does.
func node(id string, n int32) string { return fmt.Sprintf("%s-%010d", id, n) }

func TestZKPredecessor(t *testing.T) {
	t.Parallel()
	const last, first = math.MaxInt32, math.MinInt32 // neighbours when the count wraps
	for _, test := range []struct {
		name    string
		others  []string
		own     string
		want    string
		present bool
	}{
		{"alone", nil, node("a", 7), "", true},
		{"first", []string{node("b", 8), node("c", 9)}, node("a", 7), "", true},
		{"behind the nearest, whatever its name",
			[]string{node("z", 1), node("y", 5), node("b", 9)}, node("a", 7), node("y", 5), true},
		{"others' files are no places", []string{"readme", "x-y"}, node("a", 7), "", true},
		{"before the wrap", []string{node("b", first)}, node("a", last), "", true},
		{"behind the wrap", []string{node("b", last), node("c", last-1)},
			node("a", first), node("b", last), true},
		{"further behind it", []string{node("b", last), node("c", first)},
			node("a", first+1), node("c", first), true},
		{"around zero", []string{node("b", -1)}, node("a", 0), node("b", -1), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, present := zkPredecessor(append(test.others, test.own), test.own)
			if got != test.want || present != test.present {
				t.Errorf("zkPredecessor() = %q, %v; want %q, %v", got, present, test.want, test.present)
			}
		})
	}
	if _, present := zkPredecessor([]string{node("b", 1)}, node("a", 2)); present {
		t.Error("a node that is not listed counts as present")
	}
}
