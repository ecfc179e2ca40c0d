package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/camgw/camgw/internal/access"
)

// passwordSource is where a new password comes from. It never is the command line: others on the machine can see that.
type passwordSource struct {
	stdin, generate bool
}

func (p *passwordSource) register(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&p.stdin, "password-stdin", false, "read the password from standard input, one line")
	cmd.Flags().BoolVar(&p.generate, "generate", false, "make a password and print it")
	cmd.MarkFlagsMutuallyExclusive("password-stdin", "generate")
}

// get returns a password that is good enough.
func (p *passwordSource) get(cmd *cobra.Command, name string) (string, error) {
	var password string
	var err error
	switch {
	case p.generate:
		return access.NewPassword(), nil
	case p.stdin:
		password, err = firstLine(cmd.InOrStdin())
	default:
		password, err = askTwice(cmd, "Password for "+name)
	}
	if err != nil {
		return "", err
	}
	return password, passwordError(access.CheckPassword(password))
}

func passwordError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; try: another one, or --generate", err)
}

// tell prints a password that nobody knows yet.
func (p *passwordSource) tell(cmd *cobra.Command, password string) error {
	if !p.generate {
		return nil
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), password)
	return err
}

// firstLine reads no more than a password can have.
func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, access.MaxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), nil
}

// terminal is standard input, if a person sits before it.
func terminal(cmd *cobra.Command) (*os.File, bool) {
	f, ok := cmd.InOrStdin().(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

func askTwice(cmd *cobra.Command, what string) (string, error) {
	tty, ok := terminal(cmd)
	if !ok {
		return "", usageError{cmd, errors.New("nobody can be asked for a password: standard input is no terminal; try: --password-stdin, or --generate")}
	}
	password, err := askUnseen(cmd, tty, what)
	if err != nil {
		return "", err
	}
	if err := passwordError(access.CheckPassword(password)); err != nil {
		return "", err
	}
	again, err := askUnseen(cmd, tty, "The same again")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", errors.New("the two are not the same; nothing was changed")
	}
	return password, nil
}

// askUnseen reads a line that is not shown. Ctrl-C ends it with the terminal as it was.
func askUnseen(cmd *cobra.Command, tty *os.File, what string) (string, error) {
	fd := int(tty.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s: ", what)
	defer fmt.Fprintln(cmd.ErrOrStderr())
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() { // it stays behind when the process is about to end
		line, err := term.ReadPassword(fd)
		answers <- answer{line, err}
	}()
	select {
	case a := <-answers:
		if errors.Is(a.err, io.EOF) {
			return "", errors.New("no password was given; nothing was changed")
		}
		if a.err != nil {
			return "", fmt.Errorf("read the password: %w", a.err)
		}
		return string(a.line), nil
	case <-cmd.Context().Done():
		return "", errors.Join(context.Cause(cmd.Context()), term.Restore(fd, before))
	}
}
