#!/usr/bin/env bats
# stats, ports, wait and set with real guests under load.

bats_require_minimum_version 1.5.0
BANGER=${BANGER:-$BATS_TEST_DIRNAME/../../build/banger}
export BANGER
load helpers

setup_file() { vm_setup_file; }
setup() { vm_setup; }
teardown() { vm_teardown; }

@test "stats follow load in the guest: CPU, memory, disks" {
	"$BANGER" vm run -q -d --name a --disk-size 64M
	"$BANGER" vm wait a
	before=$("$BANGER" vm stats --json a)
	[ "$(jq '.[0].guest.memory_total_bytes' <<< "$before")" -gt 100000000 ]
	[ "$(jq '.[0].pss_bytes' <<< "$before")" -gt 0 ]
	[ "$(jq '.[0].vcpu_threads | length' <<< "$before")" -eq 1 ]
	"$BANGER" vm exec a -- sh -c 'dd if=/dev/urandom of=/root/f bs=1M count=8 2>&1; sync;
		dd if=/dev/zero of=/dev/shm/m bs=1M count=40 2> /dev/null || mkdir -p /tmp/t && mount -t tmpfs t /tmp/t &&
		dd if=/dev/zero of=/tmp/t/m bs=1M count=40 2> /dev/null; i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done'
	after=$("$BANGER" vm stats --json a)
	less() { [ "$(jq "$1" <<< "$before")" -lt "$(jq "$1" <<< "$after")" ] || { echo "$1"; return 1; }; }
	less '.[0].cpu_ms'
	less '.[0].vcpu_threads[0].cpu_ms'
	less '.[0].guest.cpu_ms'
	less '.[0].work_allocated_bytes'
	less '[.[0].disks[] | select(.device == "work").write_bytes][0]'
	less '.[0].guest.memory_total_bytes - .[0].guest.memory_available_bytes'
	[ "$(jq '[.[0].disks[] | select(.device == "work").write_bytes][0]' <<< "$after")" -gt 8000000 ]
	"$BANGER" vm stats
}

@test "ports of a real guest, a web server as URL, wait for a port" {
	"$BANGER" vm run -q -d --name a --disk-size 64M
	"$BANGER" vm wait a
	# shellcheck disable=SC2016 # for the guest's shell
	"$BANGER" vm exec a -- sh -c 'mkdir /tmp/w; echo hi > /tmp/w/index.html
		(sleep 1; setsid httpd -p 8080 -h /tmp/w; setsid httpd -p 127.0.0.1:8081 -h /tmp/w) > /dev/null 2>&1 &
		ifconfig lo 127.0.0.1 up; mkdir -p /var/lib/misc; touch /var/lib/misc/udhcpd.leases
		printf "interface lo\nstart 127.0.0.2\nend 127.0.0.9\n" > /tmp/c
		setsid udhcpd -f /tmp/c > /tmp/l 2>&1 & exit 0'
	"$BANGER" vm wait a --for port:8080 -t 2m
	"$BANGER" vm wait a --for port:8081 -t 2m
	list=$("$BANGER" vm ports --json a)
	echo "$list"
	[ "$(jq -r '.[] | select(.port == 8080) | [.process, .user, .endpoint, .url] | join(" ")' <<< "$list")" = \
		"httpd root a.vm:8080 http://a.vm:8080/" ]
	[ "$(jq -r '.[] | select(.port == 8081).endpoint' <<< "$list")" = null ]
	[ "$(jq -r '.[] | select(.protocol == "udp").port' <<< "$list")" = 67 ]
	run "$BANGER" vm wait a --for ssh -t 1s
	[ "$status" -eq 1 ]
}

@test "ports that are published: plain and TLS web servers as URLs that work on the host" {
	command -v openssl curl > /dev/null || skip "openssl or curl is not installed"
	free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
	plain=http://127.0.0.1:$(free_port) secure=https://127.0.0.1:$(free_port)
	"$BANGER" vm run -q -d --name a --disk-size 64M -p "${plain##*:}:8080" -p "${secure##*:}:8443"
	cd "$BATS_TEST_TMPDIR"
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=a.vm \
		-keyout key.pem -out cert.pem 2> /dev/null
	"$BANGER" vm cp -q key.pem a:/root/key.pem
	"$BANGER" vm cp -q cert.pem a:/root/cert.pem
	# The host's own server, with the libraries that it needs, in an image that has none.
	# shellcheck disable=SC2046 # one word for each file
	tar -hPcf - $(command -v openssl) $(ldd "$(command -v openssl)" | grep -o '/[^ ]*') |
		"$BANGER" vm exec -i a -- tar -C / -xf - 2> /dev/null
	"$BANGER" vm exec a -- sh -c 'mkdir /tmp/w; echo hi > /tmp/w/index.html
		setsid httpd -p 8080 -h /tmp/w; cd /root
		setsid openssl s_server -accept 8443 -key key.pem -cert cert.pem -www > log 2>&1 < /dev/null &'
	"$BANGER" vm wait a --for port:8080 -t 2m
	"$BANGER" vm wait a --for port:8443 -t 2m
	# A probe has a short limit, which an emulated machine on a busy host may miss.
	for _ in $(seq 20); do
		list=$("$BANGER" vm ports --json a)
		[ "$(jq '[.[] | select(.url)] | length' <<< "$list")" -lt 2 ] || break
	done
	echo "$list"
	[ "$(jq -r '.[] | select(.port == 8080).url' <<< "$list")" = "$plain/" ]
	[ "$(jq -r '.[] | select(.port == 8443).url' <<< "$list")" = "$secure/" ]
	[ "$(curl -s -m 60 "$plain")" = hi ]
	curl -s -m 60 --cacert cert.pem --connect-to "a.vm:443:${secure#https://}" "https://a.vm/" | grep -q 's_server'
	"$BANGER" vm ports a | grep -F "$secure"
}

@test "the work disk of a running VM grows, its files stay, and a kill on the way loses nothing" {
	"$BANGER" vm run -q -d --name a --disk-size 64M
	"$BANGER" vm wait a
	total() { "$BANGER" vm stats --json a | jq '.[0].guest.work_total_bytes'; }
	"$BANGER" vm exec a -- sh -c 'dd if=/dev/urandom of=/root/f bs=1M count=20 2> /dev/null; sync; md5sum < /root/f' > "$BATS_TEST_TMPDIR/sum"
	[ "$(total)" -lt $((64 * 1024 * 1024)) ]
	"$BANGER" vm set a --disk-size 512M
	[ "$(total)" -gt $((440 * 1024 * 1024)) ]
	[ "$("$BANGER" vm exec a -- sh -c 'md5sum < /root/f')" = "$(cat "$BATS_TEST_TMPDIR/sum")" ]
	# The VMM dies in the middle of the next growth.
	"$BANGER" vm set a --disk-size 2G &
	sleep 0.02
	kill -9 "$(jq .vmm.pid "$BANGER_STATE_DIR/vms/a/handles.json")"
	wait $! || true
	"$BANGER" vm wait a --for stopped
	"$BANGER" vm set a --disk-size 2G
	"$BANGER" vm start a
	"$BANGER" vm wait a
	[ "$(total)" -gt $((1800 * 1024 * 1024)) ]
	[ "$("$BANGER" vm exec a -- sh -c 'md5sum < /root/f')" = "$(cat "$BATS_TEST_TMPDIR/sum")" ]
	"$BANGER" vm stop -q a
	e2fsck -fn "$BANGER_STATE_DIR/vms/a/work.ext4"
}
