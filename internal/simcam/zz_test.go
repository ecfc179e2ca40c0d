package simcam
import ("testing";"time";"syscall";"os";"github.com/camgw/camgw/internal/camlink")
func TestReal(t *testing.T){
 for _,o:=range []Options{{Source:numbers{pad:24998},FPS:100},{USB:true},{USB:true,FPS:15},{FPS:10}}{
 d:=New(o); h:=connect(t,d); h.link()
 if !o.USB { h.try(2000000); t.Log(h.probe(), h.status(camlink.TypeBaudCommit,commit)) }
 h.credit(100000,0); h.frame(time.Second)
 var a,b syscall.Rusage; syscall.Getrusage(0,&a)
 got:=len(h.frames(3*time.Second)); syscall.Getrusage(0,&b)
 cpu:=time.Duration(b.Utime.Nano()+b.Stime.Nano()-a.Utime.Nano()-a.Stime.Nano())
 t.Log(got, 3/ (25736e0*10/2e6), "cpu", cpu, d.Stats(), os.Getpid())
 h.line.Close()
 }
}
