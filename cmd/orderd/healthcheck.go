package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"time"
)

type healthcheckCommand struct {
	Listen  string `env:"ORDERD_LISTEN" default:"127.0.0.1:8080" help:"The address orderd serves on."`
	TLSCert string `name:"tls-cert" env:"ORDERD_TLS_CERT" placeholder:"FILE" help:"Ask by TLS, as orderd serves with this certificate. Whatever certificate it shows is taken."`
}

// Validate rejects an address that nobody could listen on.
func (c *healthcheckCommand) Validate() error {
	if err := checkAddress(c.Listen); err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	return nil
}

// Run asks /readyz, with a time limit shorter than the usual probe's.
func (c *healthcheckCommand) Run(ctx context.Context) error {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // this reaches a server that listens on every address
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	scheme, client := "http", &http.Client{}
	if c.TLSCert != "" {
		// Whatever certificate it shows: it asks the process beside it, and sends nothing secret. The
		// file may be newer than what that process could load, or have expired.
		config := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // as said
		scheme, client.Transport = "https", &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}
	}
	url := scheme + "://" + net.JoinHostPort(host, port) + "/readyz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("not ready: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s answered %s", url, resp.Status)
	}
	return nil
}
