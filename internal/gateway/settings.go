package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/camgw/camgw/internal/camera"
	"github.com/camgw/camgw/internal/config"
)

// wantedSettings turns what the operator wrote into settings, by camera. All mistakes are told, each *config.Error once.
func wantedSettings(cameras []config.Camera) (map[string][]camera.Setting, error) {
	wanted := make(map[string][]camera.Setting)
	var mistakes []error
	seen := make(map[string]bool)
	tell := func(s config.Setting, e *camera.SettingError) {
		mistake := &config.Error{What: s.Given, Why: e.Kind.Error(), Origin: s.Origin}
		switch {
		case e.Kind == camera.ErrUnknownSetting:
			mistake.Why = fmt.Sprintf("there is no setting %q", e.Name)
			if mistake.Try = config.Nearest(e.Name, camera.SettingNames()); mistake.Try != "" {
				break
			}
			mistake.Try = "one of " + strings.Join(camera.SettingNames(), ", ")
		case e.Kind == camera.ErrReadOnly:
			mistake.Why = fmt.Sprintf("%s is read only", e.Name)
			mistake.Try = "one of " + strings.Join(camera.SettingNames(), ", ")
		default:
			mistake.Why = fmt.Sprintf("%q is no value for %s", e.Value, e.Name)
			mistake.Try = e.Want
		}
		if !seen[mistake.Error()] {
			seen[mistake.Error()] = true
			mistakes = append(mistakes, mistake)
		}
	}
	for _, c := range cameras {
		wishes := make([]camera.Wish, len(c.Settings))
		for i, s := range c.Settings {
			wishes[i] = camera.Wish{Name: s.Key, Value: s.Value}
		}
		settings, err := camera.ParseWishes(wishes)
		errs := settingErrors(err)
		for _, s := range settings {
			errs = append(errs, settingErrors(s.Check())...)
		}
		for _, e := range errs {
			i := slices.IndexFunc(c.Settings, func(s config.Setting) bool { return s.Key == e.Name })
			tell(c.Settings[i], e)
		}
		wanted[c.ID] = settings
	}
	return wanted, errors.Join(mistakes...)
}

// SettingNames lists the settings that cameras may have.
func SettingNames() []string { return camera.SettingNames() }
