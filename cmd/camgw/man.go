//go:build man

package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// The packages' pages are written by a build of their own: on a Pi what writes them would be a quarter of a megabyte for nothing.
func init() { extraCommands = append(extraCommands, manCommand) }

func manCommand() *cobra.Command {
	dir := ""
	cmd := &cobra.Command{
		Use:   "man --dir DIR",
		Short: "Write the manual pages",
		Long: `Write the manual pages of all commands, camgw.1 and so on, into a folder. Their
date is that of SOURCE_DATE_EPOCH where it is set, so that packages can be built
twice over.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dir == "" {
				return usageError{cmd, errors.New("--dir is missing: where are they to go? try: camgw man --dir man")}
			}
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("--dir %s: %w", dir, err)
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true
			header := doc.GenManHeader{Section: "1", Source: "camgw " + readBuild().Version, Manual: "camgw"}
			if err := doc.GenManTree(root, &header, dir); err != nil {
				return fmt.Errorf("--dir %s: %w", dir, err)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "folder for the pages; it is made if need be")
	if err := cmd.MarkFlagDirname("dir"); err != nil {
		panic(err)
	}
	return cmd
}
