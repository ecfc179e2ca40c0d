package gateway

import (
	"testing"

	"github.com/camgw/camgw/internal/config"
	"github.com/camgw/camgw/internal/web"
)

// TestConnectionsFollowFromDescriptors: cameras have theirs first, and whoever has few descriptors still answers somebody.
func TestConnectionsFollowFromDescriptors(t *testing.T) {
	serial := func(n int) []config.Camera { return make([]config.Camera, n) }
	for _, tt := range []struct {
		asked, viewers, cameras, files int
		want                           int
	}{
		{0, 512, 1, 65536, 1280},
		{0, 512, 1, 1024, 1024 - 64 - (5 + 16) - 4},
		{0, 512, 16, 1024, 1024 - 64 - (16*5 + 16) - 16*4},
		{0, 10, 1, 1024, 276},
		{300, 512, 1, 1024, 300},
		{50000, 512, 1, 65536, 50000},
		{50000, 512, 1, 20000, 20000 - 64 - 21 - 4},
		{0, 512, 1, 64, leastConnections},
	} {
		got := withinDescriptors(web.Limits{MaxViewers: tt.viewers, MaxConnections: tt.asked}, serial(tt.cameras), tt.files)
		if got.MaxConnections != tt.want {
			t.Errorf("%+v: %d", tt, got.MaxConnections)
		}
	}
}
