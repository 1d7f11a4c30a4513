package datadir

import (
	"errors"
	"path/filepath"
)

// ServerConfig is how `serve` meets the network.
type ServerConfig struct {
	TLS *TLSConfig `yaml:"tls,omitempty"` // nil: plain HTTP, on loopback only
}

// TLSConfig names the files of a server's certificate. They are read again when
// they change. Names are relative to the data directory.
type TLSConfig struct {
	Certificate string `yaml:"certificate"`         // PEM, with the chain behind it
	Key         string `yaml:"key"`                 // PEM, readable by its owner alone
	ClientCA    string `yaml:"client_ca,omitempty"` // PEM: every client shows a certificate of one of these
}

func (c *ServerConfig) check() error {
	if t := c.TLS; t != nil && (t.Certificate == "" || t.Key == "") {
		return errors.New("server.tls needs certificate and key")
	}
	return nil
}

// ServerFile is where a file named in the section server lies.
func (d *Directory) ServerFile(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(d.Path, name)
}
