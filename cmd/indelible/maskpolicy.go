package main

import (
	"fmt"
	"os"
	"path/filepath"

	"indelible/internal/datadir"
	"indelible/internal/mask"
	"indelible/internal/mask/leaks"
)

// maskPolicy is the strict policy with what indelible.yaml says in its section
// mask for a destination, which is one of its members or nil.
func maskPolicy(d *datadir.Directory, destination func(*datadir.MaskConfig) *datadir.MaskTypes) (*mask.Policy, error) {
	c := d.Config.Mask
	if c == nil {
		c = &datadir.MaskConfig{}
	}
	p := &mask.Policy{Region: c.Region, Packs: c.Packs, Subject: c.Subject, Types: actionsOf(c.Types)}
	if to := destination(c); to != nil {
		for t, a := range actionsOf(to.Types) {
			p.Types[t] = a
		}
	}
	if len(c.Tenants) > 0 {
		p.Tenants = make(map[string]map[mask.Type]mask.Action)
		for tenant, types := range c.Tenants {
			p.Tenants[tenant] = actionsOf(types.Types)
		}
	}
	if len(c.Fields) > 0 {
		p.Fields = make(map[string]mask.Type)
		for name, t := range c.Fields {
			p.Fields[name] = mask.Type(t)
		}
	}
	for _, r := range c.Rules {
		p.Rules = append(p.Rules, mask.Rule{ID: r.ID, Type: mask.Type(r.Type), Pattern: r.Pattern, Group: r.Group, Words: r.Words})
	}
	if c.Leaks != "" {
		name := c.Leaks
		if !filepath.IsAbs(name) {
			name = filepath.Join(d.Path, name)
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("rules of secrets: %w", err)
		}
		rules, err := leaks.Read(text)
		if err != nil {
			return nil, usagef("it is read as gitleaks' configuration", "%s: %s", name, err)
		}
		p.Rules = append(p.Rules, rules...)
	}
	if err := p.Compile(); err != nil {
		return nil, usagef("see the section mask of "+d.Path+"/indelible.yaml, and docs/masking.md", "%s", err)
	}
	return p, nil
}

func actionsOf(types map[string]string) map[mask.Type]mask.Action {
	m := make(map[mask.Type]mask.Action)
	for t, a := range types {
		m[mask.Type(t)] = mask.Action(a)
	}
	return m
}
