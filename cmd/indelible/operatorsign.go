package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/disk"
	"indelible/internal/govern"
)

func (a *app) operatorSignCommand() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "sign [FILE|-]",
		Short: "Sign what a server drafted, or what another operator proposed, on this machine",
		Long: `Sign a document of a server: a draft, as the first of two people, or a proposal
another operator has signed, as the second. It says what the document is about,
and prints it signed, to be sent to the server's /v1/proposals. No ledger is
needed here, and the key does not leave this machine. What keyed references
stand for is the server's word: docs/threat-model.md.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "-"
			if len(args) > 0 {
				name = args[0]
			}
			return a.operatorSign(cmd.Context(), name, by)
		},
	}
	cmd.Flags().StringVar(&by, "operator", "", operatorFlag)
	return cmd
}

// maxDocument is the size of a document that is read.
const maxDocument = 1 << 20

func (a *app) operatorSign(_ context.Context, name, by string) error {
	text, err := a.readDocument(name)
	if err != nil {
		return err
	}
	doc, err := govern.ReadDocument(text)
	if err != nil {
		return usagef("give what the server answered to /v1/erasures, /v1/holds/…/lift or /v1/retention, or one document of /v1/proposals", "%s: %w", name, err)
	}
	if by == "" && a.env("INDELIBLE_OPERATOR") == "" {
		return usagef("name the file of your operator key with --operator, or in INDELIBLE_OPERATOR", "nobody is named who signs")
	}
	o, err := a.operator(by, nil, indelible.PublicKey{})
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "log         %s (%s)\n", visible(doc.Origin), doc.LogID)
	fmt.Fprintf(a.stderr, "about       %s\n", visible(doc.About.Text))
	a.printAction(&doc.Action)
	second := doc.Approval != nil
	var id indelible.ID
	rand.Read(id[:])
	if err := doc.Sign(o, id, time.Now()); err != nil {
		return failf(exitFailure, "ask for a draft again, or sign with the key of another operator", "%w", err)
	}
	if second {
		fmt.Fprintf(a.stderr, "approved    by %s; proposed with the key %s\n", o.Name, doc.Approval.Proposer)
	} else {
		fmt.Fprintf(a.stderr, "proposed    by %s; another operator signs before %s\n", o.Name, doc.Expires().Format(time.RFC3339))
	}
	return a.printJSON(doc)
}

func (a *app) readDocument(name string) ([]byte, error) {
	if name != "-" {
		b, err := disk.ReadFile(disk.OS, name, maxDocument)
		if err != nil {
			return nil, usagef("name a file that can be read", "%w", err)
		}
		return b, nil
	}
	b, err := io.ReadAll(io.LimitReader(a.stdin, maxDocument+1))
	if err == nil && len(b) > maxDocument {
		err = fmt.Errorf("more than %d bytes", maxDocument)
	}
	if err != nil {
		return nil, fmt.Errorf("standard input: %w", err)
	}
	return b, nil
}
