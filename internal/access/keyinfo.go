package access

import "time"

// KeyInfo is an API key as it is shown: everything but what proves it. It is
// JSON of the server and of `keys api list --json`.
type KeyInfo struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Roles    []Role     `json:"roles"`
	All      bool       `json:"all_tenants"`
	Tenants  []string   `json:"tenants,omitempty"`
	Created  time.Time  `json:"created"`
	Expires  *time.Time `json:"expires,omitempty"`
	Revoked  *time.Time `json:"revoked,omitempty"`
	LastUsed *time.Time `json:"last_used,omitempty"`
	Live     bool       `json:"live"`
	Ticket   string     `json:"ticket,omitempty"`
}

// Info is what is shown of a key.
func (k *Keys) Info(key *Key) KeyInfo {
	i := KeyInfo{key.ID, key.Name, key.Roles, key.All, key.Tenants, key.Created, key.Expires, key.Revoked, nil, key.Live(k.clock()), key.Ticket}
	if used := k.LastUsed(key.ID); !used.IsZero() {
		i.LastUsed = &used
	}
	return i
}
