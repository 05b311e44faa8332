package main

import (
	"crypto/tls"
	"fmt"
	"sync/atomic"
)

// A certificate is the listener's, as last loaded from its files.
type certificate struct {
	certFile, keyFile string
	current           atomic.Pointer[tls.Certificate]
}

// openTLS returns the listener's TLS settings, which are reloaded when their files change, or
// nil if it is to have none.
func (c *serveCommand) openTLS(changes *reloader) (*tls.Config, error) {
	if c.TLSCert == "" {
		return nil, nil
	}
	cert := &certificate{certFile: c.TLSCert, keyFile: c.TLSKey}
	if err := changes.follow("TLS certificate", cert.load, c.TLSCert, c.TLSKey); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return cert.current.Load(), nil
		},
	}, nil
}

func (c *certificate) load() error {
	cert, err := readNamed(c.certFile)
	if err != nil {
		return fmt.Errorf("--tls-cert: %w", err)
	}
	key, err := readNamed(c.keyFile)
	if err != nil {
		return fmt.Errorf("--tls-key: %w", err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	c.current.Store(&pair)
	return nil
}
