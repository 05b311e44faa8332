package bench

import (
	"errors"
	"fmt"
	"os"
	"time"
)

// SyncTime is how long a write of 8 KiB to a file in dir takes until it is durable: the median of
// some. Commits wait for that. A few microseconds: the folder is in memory, or nothing there is
// durable.
func SyncTime(dir string) (time.Duration, error) {
	file, err := os.CreateTemp(dir, "orderd-sync-")
	if err != nil {
		return 0, fmt.Errorf("measure the disk: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // of no more use, wherever it is
	page, times := make([]byte, 8<<10), make([]float64, 0, 30)
	for range cap(times) {
		began := time.Now()
		_, err := file.Write(page)
		if err := errors.Join(err, file.Sync()); err != nil {
			return 0, errors.Join(fmt.Errorf("measure the disk: %w", err), file.Close())
		}
		times = append(times, float64(time.Since(began)))
	}
	return time.Duration(Median(times)), file.Close()
}
