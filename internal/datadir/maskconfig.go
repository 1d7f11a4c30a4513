package datadir

// MaskConfig is the section mask of indelible.yaml: what differs from the
// strict policy. docs/masking.md describes it.
type MaskConfig struct {
	MaskTypes `yaml:",inline"`

	Region  string               `yaml:"region,omitempty"`  // of phone numbers without a country code; US
	Subject []string             `yaml:"subject,omitempty"` // fields that say who a record is about, the best first
	Fields  map[string]string    `yaml:"fields,omitempty"`  // what own field names mean; "" is not read
	Packs   []string             `yaml:"packs,omitempty"`   // national numbers to look for
	Rules   []MaskRule           `yaml:"rules,omitempty"`   // own recognisers
	Leaks   string               `yaml:"leaks,omitempty"`   // a file of rules in gitleaks' format, relative to the data directory
	Export  *MaskTypes           `yaml:"export,omitempty"`  // for datasets
	Record  *MaskTypes           `yaml:"record,omitempty"`  // for events before they are recorded; absent: they are recorded as they come
	Tenants map[string]MaskTypes `yaml:"tenants,omitempty"` // for single tenants
}

// MaskTypes says what is done with types: redact, pseudonym and so on.
type MaskTypes struct {
	Types map[string]string `yaml:"types,omitempty"`
}

// MaskRule is a recogniser of one's own.
type MaskRule struct {
	ID      string   `yaml:"id"`
	Type    string   `yaml:"type"`
	Pattern string   `yaml:"pattern"` // RE2
	Group   int      `yaml:"group,omitempty"`
	Words   []string `yaml:"words,omitempty"`
}
