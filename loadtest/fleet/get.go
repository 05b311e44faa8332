package fleet

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// Get returns the header and the body of a page that is answered 200.
func Get(ctx context.Context, url string) (http.Header, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, "", fmt.Errorf("%s answers %s", url, resp.Status)
	}
	text, err := io.ReadAll(resp.Body)
	return resp.Header, string(text), err
}
