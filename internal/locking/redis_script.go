package locking

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed redis_turns.lua
	turnsSource string
	//go:embed redis_acquire.lua
	acquireSource string
	//go:embed redis_renew.lua
	renewSource string
	//go:embed redis_release.lua
	releaseSource string
	//go:embed redis_mint.lua
	mintSource string

	acquireScript = redis.NewScript(turnsSource + acquireSource)
	renewScript   = redis.NewScript(turnsSource + renewSource)
	releaseScript = redis.NewScript(turnsSource + releaseSource)
	mintScript    = redis.NewScript(turnsSource + mintSource)
)

// redisHashTags is how many hash tags, and so token counters, there are. A counter per key
// would outlive its lock and pile up; a single one could live in only one Cluster slot.
const redisHashTags = 256

// errFewAcks: the server did what it was asked to do, but may still lose it.
var errFewAcks = errors.New("acknowledged by too few replicas")

// braces escapes braces, which would be taken for a hash tag.
var braces = strings.NewReplacer("%", "%25", "{", "%7B", "}", "%7D")

// redisNames returns the names of what is stored for a key: its lock, its queue, and the
// token counter of its hash tag. The tag, in braces, decides the Cluster slot, so that one
// script reaches all three.
func redisNames(key string) (lock, queue, counter string) {
	home := "{" + strconv.Itoa(int(crc32.ChecksumIEEE([]byte(key))%redisHashTags)) + "}"
	name := home + ":" + braces.Replace(key)
	return "orderd:lock:" + name, "orderd:queue:" + name, "orderd:token:" + home
}

func scriptKeys(keys []string) []string {
	names := make([]string, 0, 3*len(keys))
	for _, key := range keys {
		lock, queue, counter := redisNames(key)
		names = append(names, lock, queue, counter)
	}
	return names
}

// sameSlotPrefix returns how many keys, from the first on, one script can reach: in a Cluster
// those with the same hash tag.
func (r *Redis) sameSlotPrefix(keys []string) int {
	if r.clustered == "0" {
		return len(keys)
	}
	_, _, home := redisNames(keys[0])
	n := 1
	for ; n < len(keys); n++ {
		if _, _, other := redisNames(keys[n]); other != home {
			break
		}
	}
	return n
}

// run runs a script on keys that it can reach together, within the time limit of one request.
func (r *Redis) run(ctx context.Context, s *redis.Script, keys []string, args ...any) *redis.Cmd {
	ctx, cancel := context.WithTimeout(ctx, r.call)
	defer cancel()
	return s.Run(ctx, r.client, scriptKeys(keys), args...)
}

// runSafe is run for writes that must survive the loss of the server: when it returns without
// an error, enough replicas have them.
func (r *Redis) runSafe(ctx context.Context, s *redis.Script, keys []string, args ...any) *redis.Cmd {
	if r.acks == 0 {
		return r.run(ctx, s, keys, args...)
	}
	ctx, cancel := context.WithTimeout(ctx, r.call)
	defer cancel()
	names := scriptKeys(keys)
	client := r.client
	if c, ok := client.(*redis.ClusterClient); ok {
		master, err := c.MasterForKey(ctx, names[0])
		if err != nil {
			return failed(ctx, err)
		}
		client = master
	}
	cmd, acks, err := withAcks(ctx, client, r.acks, r.call/4, func(p redis.Pipeliner) *redis.Cmd {
		return s.EvalSha(ctx, p, names, args...)
	})
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		cmd, acks, err = withAcks(ctx, client, r.acks, r.call/4, func(p redis.Pipeliner) *redis.Cmd {
			return s.Eval(ctx, p, names, args...)
		})
	}
	switch {
	case err != nil:
		return failed(ctx, err)
	case acks < int64(r.acks):
		return failed(ctx, fmt.Errorf("%w: %d, want %d", errFewAcks, acks, r.acks))
	}
	return cmd
}

// withAcks sends a command and a WAIT for it, on one connection as WAIT needs.
func withAcks(
	ctx context.Context, client redis.UniversalClient, n int, limit time.Duration,
	send func(redis.Pipeliner) *redis.Cmd,
) (cmd *redis.Cmd, acks int64, err error) {
	var wait *redis.Cmd
	_, err = client.Pipelined(ctx, func(p redis.Pipeliner) error {
		cmd = send(p)
		wait = p.Do(ctx, "WAIT", n, limit.Milliseconds())
		return nil
	})
	acks, _ = wait.Int64() // its error is err
	return cmd, acks, err
}

func failed(ctx context.Context, err error) *redis.Cmd {
	cmd := redis.NewCmd(ctx)
	cmd.SetErr(err)
	return cmd
}
