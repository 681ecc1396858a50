#!/usr/bin/env bats
# Ports of the host that lead into real machines without a NIC.

load helpers

setup_file() { vm_setup_file; }
setup() { vm_setup; }
teardown()
{
	local pid
	for pid in "${started[@]}"; do
		kill "$pid" 2> /dev/null || true
		wait "$pid" 2> /dev/null || true
	done
	vm_teardown
}
started=()

# A port that nobody uses just now.
free_port()
{
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# A web server in VM a, with a file of 1 MB.
serve()
{
	"$BANGER" vm exec a -- sh -c 'mkdir -p /srv; head -c 1000000 /dev/urandom > /srv/bytes; busybox httpd -p 80 -h /srv'
	sum=$("$BANGER" vm exec a -- sha256sum /srv/bytes | cut -d' ' -f1)
}

# fetch PORT - the digest of what comes from there.
fetch()
{
	curl -sS --max-time 120 "http://127.0.0.1:$1/bytes" | sha256sum | cut -d' ' -f1
}

forwarders()
{
	pgrep -a -f -- "--forwarder-of $BANGER_STATE_DIR" || true
}

@test "ports given at create are open from each start to each stop, and many connections share them" {
	port=$(free_port)
	"$BANGER" vm create -q --net none --name a -p "$port:80" > /dev/null
	[ "$("$BANGER" vm show a | jq -r '.spec.ports[0]')" = "$port:80" ]
	serve
	[ "$(fetch "$port")" = "$sum" ]
	# More than the agent has channels: the rest waits, nothing is lost.
	for i in $(seq 30); do
		fetch "$port" > "$BATS_TEST_TMPDIR/sum.$i" &
		started+=($!)
	done
	wait "${started[@]}"
	started=()
	[ "$(sort -u "$BATS_TEST_TMPDIR"/sum.*)" = "$sum" ]
	"$BANGER" vm stop -q a
	[ -z "$(forwarders)" ]
	run curl -sS --max-time 5 "http://127.0.0.1:$port/"
	[ "$status" -eq 7 ]
	"$BANGER" vm start -q a
	serve
	[ "$(fetch "$port")" = "$sum" ]
	"$BANGER" vm delete -q a
	[ -z "$(forwarders)" ]
}

@test "a machine that is run for one command takes its ports along" {
	port=$(free_port)
	"$BANGER" vm run -q --rm -p "$port:80" -- sh -c 'echo hello > /tmp/index.html; busybox httpd -p 80 -h /tmp; sleep 600' 3>&- &
	pid=$!
	started+=("$pid")
	for _ in $(seq 600); do
		! curl -s --max-time 60 "http://127.0.0.1:$port/" | grep -q hello || break
		sleep 0.2
	done
	[ "$(curl -sS --max-time 60 "http://127.0.0.1:$port/")" = hello ]
	[ "$(forwarders | wc -l)" -eq 1 ]
	kill -TERM "$pid"
	wait "$pid" || true
	[ -z "$(forwarders)" ]
	[ -z "$("$BANGER" vm list -q)" ]
}

# A server of this host that has port $1.
take()
{
	socat "TCP-LISTEN:$1,bind=127.0.0.1,fork,reuseaddr" /dev/null 3>&- &
	started+=($!)
	until (: < "/dev/tcp/127.0.0.1/$1") 2> /dev/null; do sleep 0.1; done
}

@test "a port that is taken is refused before anything is made" {
	port=$(free_port)
	take "$port"
	run "$BANGER" vm create -q --name a -p "$port:80"
	[ "$status" -eq 1 ]
	[[ $output == *"127.0.0.1:$port is taken"* ]]
	[ -z "$("$BANGER" vm list -q)" ]
	run "$BANGER" vm run --rm -p "$port:80" -- true
	[ "$status" -eq 125 ]
	[ -z "$("$BANGER" vm list -q)" ]
	kill "${started[0]}"
	wait "${started[0]}" || true
	started=()
	"$BANGER" vm create -q --no-start --name a -p "$port:80" > /dev/null
	take "$port"
	run "$BANGER" vm start a
	[ "$status" -eq 1 ]
	[[ $output == *"127.0.0.1:$port is taken"* ]]
	[ "$(state a)" != running ]
	other=$(free_port)
	run "$BANGER" vm set a -p "$other:80" --no-publish
	[ "$status" -eq 2 ]
	run "$BANGER" vm set a -p "$other"
	[ "$status" -eq 1 ]
	"$BANGER" vm set -q a -p "$other:80"
	"$BANGER" vm start -q a
	serve
	[ "$(fetch "$other")" = "$sum" ]
	run "$BANGER" vm set a --no-publish
	[ "$status" -eq 1 ]
	[[ $output == *"is running"* ]]
	"$BANGER" vm stop -q a
	"$BANGER" vm set -q a --no-publish
	[ "$("$BANGER" vm show a | jq -c '.spec.ports // []')" = "[]" ]
	run "$BANGER" vm forward a 0:80
	[ "$status" -eq 1 ]
	[[ $output == *"not running"* ]]
}

@test "a forwarder ends on Ctrl-C, with --stop, and with the VM however that ends" {
	"$BANGER" vm create -q --net none --name a > /dev/null
	serve
	"$BANGER" vm forward a 0:80 > "$BATS_TEST_TMPDIR/lines" 2> "$BATS_TEST_TMPDIR/messages" 3>&- &
	pid=$!
	started+=("$pid")
	until [ -s "$BATS_TEST_TMPDIR/lines" ]; do sleep 0.1; done
	port=$(sed -n 's/^127.0.0.1:\([0-9]*\) -> a:80$/\1/p' "$BATS_TEST_TMPDIR/lines")
	[ "$(fetch "$port")" = "$sum" ]
	kill -INT "$pid"
	run wait "$pid"
	# In the background: several, found and ended together, whatever became of them.
	run --separate-stderr "$BANGER" vm forward -d a 0:80 '[::1]:0:80'
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 2 ]
	port=$(sed -n 's/^127.0.0.1:\([0-9]*\) -> a:80$/\1/p' <<< "$output")
	[ "$(fetch "$port")" = "$sum" ]
	"$BANGER" vm forward -q -d a 0:80
	[ "$(forwarders | wc -l)" -eq 2 ]
	run "$BANGER" vm forward -d a "$port:80"
	[ "$status" -eq 1 ]
	[[ $output == *"$port is taken"* ]]
	"$BANGER" vm forward -q --stop a
	[ -z "$(forwarders)" ]
	run "$BANGER" vm forward --stop a
	[[ $output == *"no ports were forwarded"* ]]
	# A port where nobody listens in the guest is only that connection's trouble.
	"$BANGER" vm forward a 0:81 > "$BATS_TEST_TMPDIR/lines" 2> "$BATS_TEST_TMPDIR/messages" 3>&- &
	pid=$!
	started+=("$pid")
	until [ -s "$BATS_TEST_TMPDIR/lines" ]; do sleep 0.1; done
	port=$(sed -n 's/^127.0.0.1:\([0-9]*\) -> a:81$/\1/p' "$BATS_TEST_TMPDIR/lines")
	run curl -sS --max-time 60 "http://127.0.0.1:$port/"
	[ "$status" -eq 52 ]
	until grep -q 'Connection refused' "$BATS_TEST_TMPDIR/messages"; do sleep 0.1; done
	"$BANGER" vm forward -q -d a 0:80
	"$BANGER" vm kill -q a
	wait "$pid"
	grep -q 'has stopped' "$BATS_TEST_TMPDIR/messages"
	[ -z "$(forwarders)" ]
	# The VM's process ends and no command of ours is there.
	"$BANGER" vm start -q a
	"$BANGER" vm forward -q -d a 0:80
	kill -9 "$(jq .vmm.pid "$BANGER_STATE_DIR/vms/a/handles.json")"
	for _ in $(seq 100); do
		[ -n "$(forwarders)" ] || break
		sleep 0.1
	done
	[ -z "$(forwarders)" ]
}
