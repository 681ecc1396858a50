#!/usr/bin/env bats
# Clones, the watcher and published ports with real guests; TLS and machine-id with Debian's systemd.

bats_require_minimum_version 1.5.0
BANGER=${BANGER:-$BATS_TEST_DIRNAME/../../build/banger}
export BANGER
load helpers

setup_file() { vm_setup_file --debian; }
setup() { vm_setup; }
teardown() { vm_teardown; }

@test "a clone has the files of its origin and an identity of its own" {
	export BANGER_IMAGE=debian-bookworm BANGER_MEMORY=512M
	"$BANGER" vm run -q --name a --disk-size 128M --boot-timeout 10m -- sh -c 'echo kept > /root/f; echo kept > /etc/kept; sync'
	for _ in $(seq 120); do # the agent answers before systemd has begun
		"$BANGER" vm exec a -- cat /etc/machine-id > "$BATS_TEST_TMPDIR/a"
		[ "$(wc -c < "$BATS_TEST_TMPDIR/a")" -ne 33 ] || break
		sleep 0.5
	done
	[ "$(wc -c < "$BATS_TEST_TMPDIR/a")" -eq 33 ]
	"$BANGER" vm stop -q a
	"$BANGER" vm clone -q a b
	"$BANGER" vm start -q b
	"$BANGER" vm wait b -t 10m
	[ "$("$BANGER" vm exec b -- cat /root/f /etc/kept | xargs)" = "kept kept" ]
	[ "$("$BANGER" vm exec b -- hostname)" = b ]
	"$BANGER" vm exec b -- cat /etc/machine-id > "$BATS_TEST_TMPDIR/b"
	[ "$(cat "$BATS_TEST_TMPDIR/b")" = "$("$BANGER" vm show b | jq -r .spec.id)" ]
	run ! cmp "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	# Another name, and a TLS server as URL.
	"$BANGER" vm exec b -- sh -c 'command -v openssl' > /dev/null || skip "no openssl in the image"
	"$BANGER" vm exec b -- sh -c 'cd /tmp && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout k -out c -subj /CN=b -days 9 2> e || { cat e; exit 1; }
		setsid openssl s_server -key k -cert c -accept 8443 -www > /dev/null 2>&1 & exit 0'
	"$BANGER" vm wait b --for port:8443 -t 3m
	"$BANGER" vm ports b
	[ "$("$BANGER" vm ports --json b | jq -r '.[] | select(.port == 8443).url')" = https://b.vm:8443/ ]
}

@test "published ports are the endpoints, and their URLs answer" {
	port=$((20000 + RANDOM % 20000))
	"$BANGER" vm create -q --name a --disk-size 64M -p "$port:8080"
	"$BANGER" vm wait a -t 5m
	"$BANGER" vm exec a -- sh -c 'mkdir /tmp/w; echo hi > /tmp/w/index.html; setsid httpd -p 127.0.0.1:8080 -h /tmp/w'
	"$BANGER" vm wait a --for port:8080
	url=$("$BANGER" vm ports --json a | jq -r '.[] | select(.port == 8080).url')
	[ "$url" = "http://127.0.0.1:$port/" ]
	[ "$(curl -s "$url")" = hi ]
}

@test "the watcher stops an idle guest and not one that computes" {
	"$BANGER" vm run -q -d --name idle --disk-size 64M
	"$BANGER" vm run -q -d --name busy --disk-size 64M
	"$BANGER" vm wait idle -t 5m
	"$BANGER" vm wait busy -t 5m
	# Without a session: only the load speaks for it.
	"$BANGER" vm exec busy -- sh -c 'setsid sh -c "while :; do :; done" > /dev/null 2>&1 & exit 0'
	"$BANGER" vm set -q idle busy --auto-stop 6s
	timeout 60 "$BANGER" watch -i 2s > "$BATS_TEST_TMPDIR/said" || [ $? -eq 124 ]
	cat "$BATS_TEST_TMPDIR/said"
	[ "$(cat "$BATS_TEST_TMPDIR/said")" = "VM 'idle' was stopped: nobody used it" ]
	[ "$(state idle)" = stopped ]
	[ "$(state busy)" = running ]
	"$BANGER" vm stats --history busy
	[ "$("$BANGER" vm stats --history --json busy | jq 'map(.cpu_permille) | max')" -gt 200 ]
}
