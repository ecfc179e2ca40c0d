package web

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Home automation and phone apps know cameras by the addresses of Espressif's CameraWebServer example: /control, /status
// and /capture. Its names and numbers are fixed by what those programs have built in.

// frameSizes are the names of framesize_t of esp32-camera 2.1 (driver/include/sensor.h) in the order of their numbers.
var frameSizes = []string{
	"96X96", "QQVGA", "128X128", "QCIF", "HQVGA", "240X240", "QVGA", "320X320", "CIF", "HVGA", "VGA", "SVGA", "XGA", "HD",
	"SXGA", "UXGA", "FHD", "P_HD", "P_3MP", "QXGA", "QHD", "WQXGA", "P_FHD", "QSXGA", "5MP",
}

// pixelFormatJPEG is PIXFORMAT_JPEG of the same header.
const pixelFormatJPEG = 4

// webServerNames are its names for settings that have another one here.
var webServerNames = map[string]string{
	"framesize":      "size",
	"special_effect": "effect",
	"led_intensity":  "lamp",
}

// webServerStatus lists what /status tells under its own name, with vflip, sharpness and denoise, which it forgets or knows
// in some versions only.
var webServerStatus = []string{
	"quality", "brightness", "contrast", "saturation", "sharpness", "denoise", "wb_mode", "awb", "awb_gain", "aec", "aec2",
	"ae_level", "aec_value", "agc", "agc_gain", "gainceiling", "bpc", "wpc", "raw_gma", "lenc", "hmirror", "vflip", "dcw", "colorbar",
}

// control sets one setting: ?var=quality&val=12. That other sites must not be able to do it by a picture's address is why
// GET has to be allowed by the operator; a browser that says where it was sent from is then still believed ([changing]).
func (s *Server) control(w http.ResponseWriter, r *http.Request, c *camera) {
	r.Body = http.MaxBytesReader(w, r.Body, bodyLimit)
	if err := r.ParseForm(); err != nil {
		s.fail(w, problem{Status: http.StatusBadRequest, Detail: "the parameters cannot be read"})
		return
	}
	if !r.Form.Has("var") || !r.Form.Has("val") {
		s.fail(w, problem{Status: http.StatusBadRequest, Detail: "want ?var=NAME&val=VALUE"})
		return
	}
	change := Change{Name: r.Form.Get("var"), Value: strings.TrimSpace(r.Form.Get("val"))}
	if name, ok := webServerNames[change.Name]; ok {
		change.Name = name
	}
	if n, err := strconv.Atoi(change.Value); err == nil && change.Name == "size" {
		if n < 0 || n >= len(frameSizes) {
			s.failControls(w, c, Mistakes{{Name: r.Form.Get("var"), Value: change.Value, Reason: "out_of_range", Min: 0, Max: len(frameSizes) - 1,
				Detail: fmt.Sprintf("framesize=%d: the value is out of range: 0 to %d", n, len(frameSizes)-1)}})
			return
		}
		change.Value = frameSizes[n]
	}
	how := How{Clamp: isTrue(r.Form.Get("clamp")), Persist: isTrue(r.Form.Get("persist"))}
	if _, err := s.change(r, c, []Change{change}, how); err != nil {
		s.failControls(w, c, err)
		return
	}
	w.Header().Set("Content-Length", "0")
	w.WriteHeader(http.StatusOK)
}

// webServerState answers /status. What the device does not have is 0, as there; an absent lamp is -1.
func (s *Server) webServerState(w http.ResponseWriter, _ *http.Request, c *camera) {
	controls, err := c.controls()
	if err != nil {
		s.failControls(w, c, err)
		return
	}
	find := func(name string) Control {
		i := slices.IndexFunc(controls, func(c Control) bool { return c.Name == name })
		if i < 0 || controls[i].Unsupported {
			return Control{Unsupported: true}
		}
		return controls[i]
	}
	state := map[string]any{"pixformat": pixelFormatJPEG, "xclk": 0, "special_effect": 0, "led_intensity": -1, "framesize": len(frameSizes)}
	if i := slices.Index(frameSizes, find("size").Label); i >= 0 {
		state["framesize"] = i // else FRAMESIZE_INVALID, the number after the last
	}
	if hz, ok := find("xclk_hz").Value.(int); ok {
		state["xclk"] = hz / 1e6
	}
	if effect := find("effect"); !effect.Unsupported {
		state["special_effect"] = effect.Value
	}
	if lamp := find("lamp"); !lamp.Unsupported {
		state["led_intensity"] = lamp.Value
	}
	for _, name := range webServerStatus {
		state[name] = 0
		if found := find(name); !found.Unsupported {
			state[name] = found.Value
		}
	}
	s.reply(w, http.StatusOK, "application/json", state)
}
