package main

import "context"

// A ping measures a round trip: its lock is always free.
type ping func(ctx context.Context) error

// Lock implements lock.
func (p ping) Lock(ctx context.Context) error { return p(ctx) }

// Unlock implements lock.
func (ping) Unlock(context.Context) error { return nil }

func openRedisPing(s servers, waiters int) (opened, error) {
	client := redisClient(s, waiters)
	return opened{
		lock:  func(string) lock { return ping(func(ctx context.Context) error { return client.Ping(ctx).Err() }) },
		close: func() { client.Close() },
	}, nil
}

func openZooKeeperPing(s servers, _ int) (opened, error) {
	conn, err := zooKeeperClient(s)
	if err != nil {
		return opened{}, err
	}
	return opened{
		lock: func(string) lock {
			return ping(func(context.Context) error {
				_, _, err := conn.Exists("/")
				return err
			})
		},
		close: conn.Close,
	}, nil
}
