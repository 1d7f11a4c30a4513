package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"indelible/internal/datadir"
	"indelible/internal/jobs"
	"indelible/internal/ledger"
)

// app is what every command works with.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	env    datadir.Env
	dir    string
	// serving: this process is the ledger's server, whatever INDELIBLE_URL says.
	serving bool
	// handsOver: this process never opens the ledger, but has another record.
	handsOver bool
	// clock is what schedules go by; nil: the time of the machine.
	clock    func() time.Time
	pace     jobs.Pace            // of schedules and runs; zero: the usual one
	verified func(*ledger.Report) // hears of each report of a scheduled verification
	atEnd    []func() error       // what a command leaves open until the program ends
}

// run is the whole program: it returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, env datadir.Env) int {
	return (&app{stdin: stdin, stdout: stdout, stderr: stderr, env: env}).run(ctx, args)
}

func (a *app) run(ctx context.Context, args []string) int {
	root := a.rootCommand()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	for _, end := range a.atEnd {
		err = errors.Join(err, end())
	}
	if ctx.Err() != nil && err != nil && !errors.Is(err, ledger.ErrOtherWriter) {
		fmt.Fprintln(a.stderr, "interrupted")
		return exitInterrupted
	}
	return a.report(err)
}

func (a *app) rootCommand() *cobra.Command {
	dir := a.env("INDELIBLE_DIR")
	if dir == "" {
		dir = "indelible-data"
	}
	root := &cobra.Command{
		Use:           "indelible",
		Short:         "An audit log nobody can quietly change",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("run `indelible --help` for the list of commands", "unknown command %q", args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.PersistentFlags().StringVar(&a.dir, "dir", dir, "data directory of the ledger (INDELIBLE_DIR)")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usagef("run `"+cmd.CommandPath()+" --help` for its flags", "%s", err)
	})
	root.AddCommand(
		a.initCommand(), a.appendCommand(), a.verifyCommand(), a.versionCommand(),
		a.showCommand(), a.searchCommand(), a.serveCommand(), a.tailCommand(), a.proveCommand(), a.checkCommand(), a.tilesCommand(),
		a.sampleCommand(), a.completionCommand(), a.doctorCommand(), a.keysCommand(), a.maskCommand(),
		a.exportCommand(), a.datasetCommand(), a.runsCommand(),
		a.eraseCommand(), a.retentionCommand(), a.approveCommand(), a.holdCommand(),
		a.scheduleCommand(), a.jobsCommand(), a.workerCommand(), a.reconcileCommand(),
	)
	for _, cmd := range root.Commands() {
		checkArgs(cmd)
	}
	return root
}

// checkArgs makes wrong arguments of a command a usage error with a hint.
func checkArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usagef("usage: "+strings.TrimSpace(cmd.UseLine()), "%s", err)
		}
		return nil
	}
}
