#!/bin/bash
# test.sh - shows made-up devices to the machine's own udev, installed rules included, and holds what it says to the table.
# deploy/package/test.sh runs it in its Debian; it needs umockdev, /sys and devpts.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# device VENDOR PRODUCT SERIAL INTERFACE DRIVER - a port at the first socket of a hub; SERIAL - for none.
device() {
	local usb=/devices/pci0000:00/0000:00:14.0/usb1 port
	port=$usb/1-1/1-1:1.$((16#$4))
	cat >"$work/device" <<-END
		P: /devices/pci0000:00/0000:00:14.0
		E: SUBSYSTEM=pci

		P: $usb
		N: bus/usb/001/001
		E: SUBSYSTEM=usb
		E: DEVTYPE=usb_device
		A: idVendor=1d6b
		A: idProduct=0002

		P: $usb/1-1
		N: bus/usb/001/002
		E: SUBSYSTEM=usb
		E: DEVTYPE=usb_device
		A: idVendor=$1
		A: idProduct=$2
		A: product=Port
		$([ "$3" = - ] || echo "A: serial=$3")

		P: $port
		E: SUBSYSTEM=usb
		E: DEVTYPE=usb_interface
		A: bInterfaceNumber=$4
		A: bInterfaceClass=ff
		A: bInterfaceSubClass=00
		A: bInterfaceProtocol=00

		P: $port/ttyUSB0
		E: SUBSYSTEM=usb-serial
		E: DRIVER=$5
		L: driver=../../../../../../bus/usb-serial/drivers/$5
		A: latency_timer=16

		P: $port/ttyUSB0/tty/ttyUSB0
		N: ttyUSB0
		E: SUBSYSTEM=tty
		E: MAJOR=188
		E: MINOR=0
	END
	board=/sys$usb/1-1 bridge=/sys$port/ttyUSB0 tty=/sys$port/ttyUSB0/tty/ttyUSB0
}

asked() { umockdev-run --device "$work/device" -- udevadm test --action=add "$1" 2>&1; }

# expect NAME IGNORED VENDOR PRODUCT SERIAL INTERFACE DRIVER - the link below /dev/camgw; - for none.
expect() {
	local name=$1 ignored=$2 got mm
	shift 2
	device "$@"
	got=$(asked "$tty" | sed -n 's/^DEVLINKS=//p' | tr ' ' '\n' | sed -n 's|^/dev/camgw/||p')
	mm=$(asked "$board" | sed -n 's/^ID_MM_DEVICE_IGNORE=//p')
	if [ "${got:--}" != "$name" ] || [ "${mm:-0}" != "$ignored" ]; then
		echo "udev: $*: name ${got:--}, want $name; ModemManager ignores it: ${mm:-0}, want $ignored" >&2
		bad=1
	fi
}

socket=pci-0000:00:14.0-usb-0:1:1.0
expect 0001A2B3 1 10c4 ea60 0001A2B3 00 cp210x
expect "$socket" 1 10c4 ea60 0001 00 cp210x
expect 00A1-if01 1 10c4 ea70 00A1 01 cp210x
expect "$socket" 1 1a86 7523 - 00 ch341
expect "$socket" 1 1a86 5523 - 00 ch341
expect 5435 1 1a86 55d3 5435 00 cdc_acm
expect 5436 1 1a86 55d4 5436 00 cdc_acm
expect A10K 1 0403 6001 A10K 00 ftdi_sio
expect FT2 1 0403 6010 FT2 00 ftdi_sio
expect FT2-if01 1 0403 6010 FT2 01 ftdi_sio
expect FT4 1 0403 6014 FT4 00 ftdi_sio
expect FT5 1 0403 6015 FT5 00 ftdi_sio
expect 24:0A:C4:00:00:01 1 303a 1001 24:0A:C4:00:00:01 00 cdc_acm
expect ABCD 1 303a 4001 ABCD 00 cdc_acm
expect - 0 12d1 1001 MODEM 00 option
expect - 0 067b 2303 - 00 pl2303

latency() { # DRIVER: what the rule writes
	device 0403 "$2" X 00 "$1"
	asked "$bridge" | grep -c 'latency_timer.*1' || true
}
[ "$(latency ftdi_sio 6001)" -ge 1 ] || { echo "udev: an FTDI keeps its latency timer" >&2; bad=1; }
[ "$(latency ch341 6001)" = 0 ] || { echo "udev: a latency timer is set for another driver" >&2; bad=1; }
device 0403 6001 X 00 ftdi_sio
if asked "$tty" | grep -i -E '70-camgw.rules.*(invalid|unknown|error|ignoring)'; then bad=1; fi
[ "$bad" = 0 ] && echo "   udev names and ignores what it should"
exit "$bad"
