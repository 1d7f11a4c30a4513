package datadir

import (
	"errors"
	"path/filepath"
)

// ServerConfig is how `serve` meets the network.
type ServerConfig struct {
	TLS  *TLSConfig  `yaml:"tls,omitempty"`  // nil: plain HTTP, on loopback only
	OIDC *OIDCConfig `yaml:"oidc,omitempty"` // nil: API keys alone
}

// OIDCConfig names an OpenID provider whose tokens are taken, and what they give.
type OIDCConfig struct {
	Issuer     string        `yaml:"issuer"`
	Audience   string        `yaml:"audience"`
	Algorithms []string      `yaml:"algorithms,omitempty"`
	NameClaim  string        `yaml:"name_claim,omitempty"`
	Grants     []GrantConfig `yaml:"grants"`
}

// GrantConfig says what a token gives in which a claim has a value.
type GrantConfig struct {
	Claim        string   `yaml:"claim"`
	Value        string   `yaml:"value"`
	Roles        []string `yaml:"roles"`
	AllTenants   bool     `yaml:"all_tenants,omitempty"`
	Tenants      []string `yaml:"tenants,omitempty"`
	TenantsClaim string   `yaml:"tenants_claim,omitempty"`
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
