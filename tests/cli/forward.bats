#!/usr/bin/env bats
# What is refused of ports before any VM is looked at.

load helpers

@test "malformed ports are refused with the text that was given" {
	local spec
	for spec in 80 a:b 0:80 70000:80 80:0 localhost:80:80 80:80/udp; do
		run "$BANGER" vm create --name a -p "$spec"
		is "$status" 1
		has "$output" "'$spec'"
		[ ! -e "$BANGER_STATE_DIR/vms/a" ]
	done
	run "$BANGER" vm create --name a -p 8080:80 -p 127.0.0.1:8080:81
	is "$status" 1
	has "$output" "127.0.0.1:8080 is there twice"
	run "$BANGER" vm run -p x:80 -- true
	is "$status" 125
}

@test "usage of vm forward" {
	run "$BANGER" vm forward a
	is "$status" 2
	run "$BANGER" vm forward a --stop 80:80
	is "$status" 2
	run "$BANGER" vm forward a --stop -d
	is "$status" 2
	run "$BANGER" vm forward a 80:80:80:80
	is "$status" 1
	run "$BANGER" vm forward nobody 8080:80
	is "$status" 1
	has "$output" "nobody"
	run "$BANGER" vm proxy nobody
	is "$status" 1
	has "$output" "nobody"
	run "$BANGER" vm proxy a 0
	is "$status" 1
}

# kill -9 at any moment of a start: the next command ends the forwarder, if there is one.
@test "crash: a start that is killed leaves no forwarder behind its VM" {
	teardown_stub_later=1
	setup_stub
	local port i left
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	"$BANGER" vm create -q --no-start --name a -p "$port:80" > /dev/null
	for i in $(seq 25); do
		timeout -s KILL "0.$(printf %03d $((i * 5)))" "$BANGER" vm start -q a > /dev/null 2>&1 3>&- || true
		"$BANGER" vm stop -q a > /dev/null 2>&1
		left=$(pgrep -a -f -- "--forwarder-of $BANGER_STATE_DIR/vms/a" || true)
		is "$left" ""
	done
	"$BANGER" vm start -q a
	is "$(pgrep -c -f -- "--forwarder-of $BANGER_STATE_DIR/vms/a")" 1
	"$BANGER" vm delete -q a
	is "$(pgrep -f -- "--forwarder-of $BANGER_STATE_DIR/vms/a" || true)" ""
	nothing_is_left
}

teardown() { [ -z "${teardown_stub_later:-}" ] || teardown_stub; }
