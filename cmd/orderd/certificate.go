package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
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
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("--tls-cert, --tls-key: %w", err)
	}
	c.current.Store(&pair)
	return nil
}

// trusting returns the settings of a client that trusts the server with this certificate and no
// other, whatever address it is reached at.
func trusting(certFile string) (*tls.Config, error) {
	text, err := readNamed(certFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, errors.New("holds no certificate")
	}
	leaf, err := firstCertificate(text)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	switch {
	case len(leaf.DNSNames) > 0:
		config.ServerName = strings.Replace(leaf.DNSNames[0], "*", "any", 1)
	case len(leaf.IPAddresses) > 0:
		config.ServerName = leaf.IPAddresses[0].String()
	default:
		return nil, errors.New("names no host")
	}
	return config, nil
}

func firstCertificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("holds no certificate")
	}
	return x509.ParseCertificate(block.Bytes)
}
