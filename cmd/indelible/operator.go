package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/govern"
)

func (a *app) operatorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "operator",
		Short: "The people who decide what two have to decide",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.operatorAddCommand(), a.operatorListCommand(), a.operatorSignCommand())
	return cmd
}

func (a *app) operatorAddCommand() *cobra.Command {
	var key, by string
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Draw a key for one more operator, and register its public half in the log",
		Long: `Draw a key for one more operator. The private half goes into a file of mode
0600, which belongs to that person alone: take it from here to where only he or
she reads it. The public half goes into the log; the name stays in this
directory. The second operator is introduced by the first; more have to be
approved by another.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.operatorAdd(cmd.Context(), args[0], key, by) },
	}
	cmd.Flags().StringVar(&key, "key", "", "file for the private half (default: keys/operator-NAME.key in the data directory)")
	cmd.Flags().StringVar(&by, "operator", "", operatorFlag)
	return cmd
}

const operatorFlag = "who decides: the name of an operator whose key is here, or the file of the key (INDELIBLE_OPERATOR)"

func (a *app) operatorAdd(ctx context.Context, name, path, by string) error {
	if err := govern.CheckName(name); err != nil {
		return usagef("choose a name such as alice", "%w", err)
	}
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	decided, err := g.Decided(ctx)
	if err != nil {
		return err
	}
	var first *govern.Operator
	if len(decided.Operators) > 0 {
		if first, err = a.operator(by, decided.Operators, indelible.PublicKey{}); err != nil {
			return err
		}
	}
	names, err := govern.ReadNames(a.dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if n.Name == name && slices.Contains(decided.Operators, n.Key) {
			return failf(exitFailure, "choose another name; `indelible keys operator list` shows them", "there is an operator %s already", name)
		}
	}
	if path == "" {
		path = govern.OperatorPath(a.dir, name)
	}
	// An addition that did not get through is tried again with the same key.
	o, err := govern.NewOperator(path, name)
	if errors.Is(err, fs.ErrExist) {
		if o, err = govern.ReadOperator(path); err == nil && slices.Contains(decided.Operators, o.Public()) {
			return failf(exitFailure, "choose another name, or another file with --key", "%s holds the key of an operator already", path)
		}
	}
	if err != nil {
		return err
	}
	if err := govern.AddName(a.dir, name, o.Public()); err != nil {
		return err
	}
	public := o.Public()
	leaf := indelible.Operator{Key: public}
	if len(decided.Operators) == 1 {
		leaf = indelible.Introduce(first.Key, public, g.Config.Origin, g.Config.LogID)
	}
	if len(decided.Operators) >= 2 {
		return a.propose(ctx, g, first, decided.Operators, indelible.Action{Operator: &public}, govern.About{Text: "add operator " + name + " with the key in " + path})
	}
	if _, err := a.order(ctx, g.Directory, govern.Order{Policy: &indelible.Policy{Operator: &leaf}}); err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "operator    %s\n", name)
	fmt.Fprintf(a.stderr, "private key %s\n", path)
	fmt.Fprintf(a.stderr, "            give it to %s and take it away from here: who holds two keys counts as two people\n", name)
	fmt.Fprintln(a.stdout, public)
	return nil
}

func (a *app) operatorListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show who may decide",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.operatorList(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// operatorInfo is one operator in `keys operator list --json`.
type operatorInfo struct {
	Name  string              `json:"name,omitempty"`
	Key   indelible.PublicKey `json:"key"`
	Added *time.Time          `json:"added,omitempty"`
}

func (a *app) operatorList(ctx context.Context, asJSON bool) error {
	g, err := a.openGoverned(ctx)
	if err != nil {
		return err
	}
	decided, err := g.Decided(ctx)
	if err != nil {
		return err
	}
	names, err := govern.ReadNames(a.dir)
	if err != nil {
		return err
	}
	infos := []operatorInfo{}
	for _, key := range decided.Operators {
		info := operatorInfo{Key: key}
		if i := slices.IndexFunc(names, func(n govern.Name) bool { return n.Key == key }); i >= 0 {
			info.Name, info.Added = names[i].Name, &names[i].Added
		}
		infos = append(infos, info)
	}
	if asJSON {
		return a.printJSON(infos)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NAME\tKEY")
	for _, i := range infos {
		fmt.Fprintf(w, "%s\t%s\n", i.Name, i.Key)
	}
	return w.Flush()
}

func (a *app) printJSON(v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s\n", b)
	return err
}

// operator finds the key to decide with: the one named, or the only one here
// that may and is not the one given.
func (a *app) operator(named string, known []indelible.PublicKey, not indelible.PublicKey) (*govern.Operator, error) {
	if named == "" {
		named = a.env("INDELIBLE_OPERATOR")
	}
	if named != "" {
		path := named
		if govern.CheckName(named) == nil {
			path = govern.OperatorPath(a.dir, named)
		}
		o, err := govern.ReadOperator(path)
		if err != nil {
			return nil, usagef("name an operator whose key is in keys/, or the file of a key", "--operator: %w", err)
		}
		return o, nil
	}
	files, err := filepath.Glob(filepath.Join(a.dir, "keys", "operator-*.key"))
	if err != nil {
		return nil, err
	}
	var found []*govern.Operator
	for _, f := range files {
		o, err := govern.ReadOperator(f)
		if err != nil {
			return nil, err
		}
		if slices.Contains(known, o.Public()) && o.Public() != not {
			found = append(found, o)
		}
	}
	// Without a word it is the operator who was first.
	slices.SortFunc(found, func(x, y *govern.Operator) int {
		return slices.Index(known, x.Public()) - slices.Index(known, y.Public())
	})
	if len(found) == 0 {
		return nil, usagef("name the file of your operator key with --operator, or in INDELIBLE_OPERATOR", "no operator key to decide with is in %s", filepath.Join(a.dir, "keys"))
	}
	return found[0], nil
}

// nameOf is what an operator is called here, or the beginning of the key.
func (a *app) nameOf(key indelible.PublicKey) string {
	names, err := govern.ReadNames(a.dir)
	if err == nil {
		for _, n := range names {
			if n.Key == key {
				return n.Name
			}
		}
	}
	return strings.ToLower(key.String()[:16])
}

// firstOperator draws the key of a new log's first operator. An init that was
// cut short has drawn it already.
func (a *app) firstOperator(name string) (p indelible.PublicKey, err error) {
	path := govern.OperatorPath(a.dir, name)
	o, err := govern.NewOperator(path, name)
	if errors.Is(err, fs.ErrExist) {
		o, err = govern.ReadOperator(path)
	}
	if err != nil {
		return p, err
	}
	return o.Public(), govern.AddName(a.dir, name, o.Public())
}
