package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"time"
)

// nginx starts one with what a page says, and gives its address.
func (b *bench) nginx(what block) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	// nginx takes an open socket over from the one before it, which is us: nobody can take the port in between.
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		b.Fatal(err)
	}
	defer socket.Close()
	server := b.here(strings.ReplaceAll(what.text, "http://127.0.0.1:8080", pagesGateway))
	listen := "listen " + l.Addr().String() + ";"
	if strings.Contains(server, "server {") {
		server = strings.Replace(server, "listen 80;", listen, 1)
	} else {
		server = "server {\n" + listen + "\n" + server + "}\n"
	}
	config := fmt.Sprintf(`daemon off;
worker_processes 1;
pid %[1]s/nginx.pid;
error_log stderr;
events {}
http {
access_log off;
client_body_temp_path %[1]s/body;
proxy_temp_path %[1]s/proxy;
fastcgi_temp_path %[1]s/fastcgi;
uwsgi_temp_path %[1]s/uwsgi;
scgi_temp_path %[1]s/scgi;
%[2]s}
`, b.dir, server)
	if err := os.WriteFile(b.path("nginx.conf"), []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	log := &logBuffer{}
	cmd := exec.Command(program(b, "nginx"), "-p", b.dir, "-c", b.path("nginx.conf"))
	cmd.Env = append(os.Environ(), "NGINX=3;")
	cmd.ExtraFiles = []*os.File{socket}
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p := &process{t: b, cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	b.Cleanup(func() {
		p.kill(os.Interrupt)
		if b.Failed() {
			b.Logf("%s\nnginx said:\n%s", config, tail(log.String(), 4000))
		}
	})
	return "http://" + l.Addr().String()
}

// nginxPasses everything: a stream, a snapshot, and our page with what it needs.
func nginxPasses(b *bench, what block) {
	b.url = b.nginx(what)
	if strings.Contains(what.text, "location /cams/") {
		b.url += "/cams"
	}
	checkShown(b, b.parts(b.open(streamOf, clientPatience), enoughPictures))
	b.picture(pagesGateway+"/cam/"+pagesCamera+"/snapshot.jpg", 5*time.Second)
	begin := time.Now()
	ffmpegRecords(b, "ffmpeg -f mpjpeg -i '"+streamOf+"' -c copy door.mkv")
	b.Logf("recorded in %v", time.Since(begin).Round(time.Millisecond))

	d := *b.gateway
	d.url = b.url
	p := startBrowser(b).open(b, &d, "/", desk)
	p.await(clientPatience, "the canvas", pageCanvas+"?.width === "+fmt.Sprint(stampWidth))
	b.watchOn(chromium{p}, pageCanvas)
	p.clean()
}
