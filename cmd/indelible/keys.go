package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"indelible"
	"indelible/internal/datadir"
)

func (a *app) keysCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List, back up, restore and rotate the keys of a log",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.keysListCommand(), a.keysBackupCommand(), a.keysRestoreCommand(), a.keysRotateRootCommand(), a.keysRotateCommand(), a.operatorCommand(), a.keysAPICommand())
	return cmd
}

func (a *app) keysListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Show which keys are here, and how old they are; never a key itself",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.keysList(cmd.Context(), asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

func (a *app) keysList(ctx context.Context, asJSON bool) error {
	c, err := datadir.LoadConfig(a.dir)
	if err != nil {
		return err
	}
	infos, err := datadir.ListKeys(a.dir)
	warning := ""
	if err == nil {
		d := &datadir.Directory{Path: a.dir, Config: c} // the store is not needed
		var more []datadir.KeyInfo
		more, err = d.ListSealingKeys(ctx, a.env)
		infos = append(infos, more...)
		if err == nil {
			warning, err = a.unbacked(ctx, d)
		}
	}
	if err != nil {
		return failf(exitFailure, "`indelible keys restore` brings back what was lost", "keys: %w", err)
	}
	if warning != "" {
		fmt.Fprintf(a.stderr, "%s\nhint: %s\n", warning, backupHint)
	}
	if asJSON {
		b, err := json.MarshalIndent(infos, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintf(a.stdout, "%s\n", b)
		return nil
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KIND\tID\tAGE\tFILE\tNOTE")
	for _, k := range infos {
		note := k.Note
		if k.Tenant != "" {
			note = sealingNote(&k)
		}
		if !k.Until.IsZero() {
			note += " until " + k.Until.Format(time.DateOnly)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.Kind, k.ID, howOld(k.Created), k.File, note)
	}
	return w.Flush()
}

// sealingNote says what keys that records are sealed with are for, and how they are.
func sealingNote(k *datadir.KeyInfo) string {
	note := "tenant " + k.Tenant
	if k.Class != "" {
		note += ", " + k.Class
	}
	if k.Period > 0 {
		note += fmt.Sprintf(" %d", k.Period)
	}
	note += fmt.Sprintf(": %d live", k.Live)
	if k.Destroyed > 0 {
		note += fmt.Sprintf(", %d destroyed", k.Destroyed)
	}
	return note
}

// howOld says it in the unit that matters.
func howOld(created time.Time) string {
	d := time.Since(created)
	switch {
	case d < time.Minute:
		return "new"
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

func (a *app) keysRotateCommand() *cobra.Command {
	var overlap string
	cmd := &cobra.Command{
		Use:   "rotate-signer",
		Short: "Give the log a new key",
		Long: `Give the log a new key. The hand-over is recorded in the log, signed by the
old and the new key, and log.vkey becomes the new one. While --overlap lasts
checkpoints carry both signatures, so that those who verify can change over.
A rotation that was interrupted is finished. A process that writes to the log,
such as serve, goes on with the new key.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.rotateSigner(cmd.Context(), overlap) },
	}
	cmd.Flags().StringVar(&overlap, "overlap", "30d", "how long the old key signs beside the new one")
	return cmd
}

func (a *app) rotateSigner(ctx context.Context, overlap string) error {
	both, err := datadir.ParseDuration(overlap)
	if err != nil {
		return usagef("write a number of days such as 30d, or hours such as 36h", "--overlap: %s", err)
	}
	d, err := datadir.Open(ctx, a.dir, a.env)
	if err != nil {
		return err
	}
	order, err := json.Marshal(writerOrder{RotateSigner: &rotateOrder{both}})
	if err != nil {
		return err
	}
	road, err := a.findRoad(ctx, d, writeOptions{})
	if err != nil {
		return err
	}
	_, err = road.Order(ctx, order)
	if err = errors.Join(err, road.Close()); err != nil {
		return err
	}
	if _, pending, err := d.PendingLogKey(); err != nil || pending {
		return errors.Join(err, failf(exitFailure, "run `indelible keys rotate-signer` again once the store answers", "the rotation has begun and is not finished"))
	}
	vkey, err := d.VerifierKey()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.stderr, "the log has a new key; hand it to whoever verifies this log\n")
	if both > 0 {
		fmt.Fprintf(a.stderr, "the old one signs beside it until %s\n", time.Now().Add(time.Duration(both)).UTC().Format(time.DateOnly))
	}
	fmt.Fprintf(a.stderr, "make a new backup with `indelible keys backup`: the last one holds the old key\n")
	fmt.Fprintln(a.stdout, vkey)
	return nil
}

// rotateOrder asks the process that writes for a new log key.
type rotateOrder struct {
	Overlap datadir.Duration `json:"overlap"`
}

// rotate gives the log a new key.
func (s *session) rotate(ctx context.Context, o *rotateOrder) error {
	s.rotating.Lock()
	defer s.rotating.Unlock()
	ready, cancel := context.WithTimeout(ctx, storeWait)
	defer cancel()
	if err := s.ledger.Ready(ready); err != nil {
		if st := s.ledger.Status(); st.StoreErr != nil && ctx.Err() == nil {
			return fmt.Errorf("the store does not answer: %w", st.StoreErr)
		}
		return err
	}
	current, next, err := s.dir.NextLogKey(o.Overlap)
	if err != nil {
		return err
	}
	s.ledger.Hold(next)
	rotation, err := indelible.Rotate(current, next, s.dir.Config.Origin, s.dir.Config.LogID)
	if err != nil {
		return err
	}
	_, public, err := indelible.ParseVerifierKey(rotation.NewKey)
	if err != nil {
		return err
	}
	if key, _ := s.ledger.LogKey(); key != public {
		if err := s.ledger.AddSystem(ready, indelible.KindLogKey, rotation); err != nil {
			return fmt.Errorf("hand over to the new key: %w", err)
		}
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	return s.finishRotation()
}

// finishRotation makes a new log key this directory's, once a checkpoint is
// signed by it: in the process that rotated, or in the next one that writes
// where that one was cut short.
func (s *session) finishRotation() error {
	next, pending, err := s.dir.PendingLogKey()
	if err != nil || !pending || !s.ledger.SignedBy(next) {
		return err
	}
	endorsed, err := s.dir.FinishRotation()
	if err == nil {
		s.recorder.Endorse(endorsed)
	}
	return err
}

// readFileFlag reads a file named on the command line.
func readFileFlag(flag, name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, usagef("name a file that can be read", "%s: %s", flag, err)
	}
	return b, nil
}
