package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/camgw/camgw/internal/gateway"
	"github.com/camgw/camgw/internal/serialport"
)

// machine is where ports are looked for. Tests have others.
var machine serialport.Machine

// complete gives a flag its completion. That there is no such flag is a mistake in the program.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(fmt.Sprintf("completion of --%s: %v", flag, err))
	}
}

// completeOne offers a fixed list.
func completeOne(cmd *cobra.Command, flag string, values ...string) {
	complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// completePorts offers what is plugged in by the names that last, and the kinds of ports that are no path.
func completePorts(cmd *cobra.Command, flag string) {
	complete(cmd, flag, func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		name, port, named := strings.Cut(typed, "=")
		if !named || strings.ContainsAny(name, "/:") {
			name, port = "", typed
		} else {
			name += "="
		}
		var all []cobra.Completion
		add := func(value, what string) {
			if strings.HasPrefix(value, port) {
				all = append(all, cobra.CompletionWithDesc(name+value, what))
			}
		}
		ports, err := machine.List()
		if err != nil {
			ports = nil // the rest may still help
		}
		for _, p := range ports {
			what := strings.Join(slices.DeleteFunc([]string{p.Chip, p.Product, p.Holder}, func(s string) bool { return s == "" }), ", ")
			add(p.Stable, what)
			add(p.Path, what)
			if n := p.Name(); n != "" {
				add(n, what)
			}
		}
		add("tcp://", "a serial server, tcp://host:port")
		add("sim:", "a simulated camera")
		add("replay:", "a recording")
		directive := cobra.ShellCompDirectiveNoSpace
		if len(all) == 0 {
			directive = cobra.ShellCompDirectiveDefault // a file, then
		}
		return all, directive
	})
}

// completeSettings offers the names of a camera's settings.
func completeSettings(cmd *cobra.Command, flag string) {
	complete(cmd, flag, func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		camera, _, named := strings.Cut(typed, ":")
		if named {
			camera += ":"
		} else {
			camera = ""
		}
		var all []cobra.Completion
		for _, key := range gateway.SettingNames() {
			if value := camera + key + "="; strings.HasPrefix(value, typed) {
				all = append(all, value)
			}
		}
		return all, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
}
