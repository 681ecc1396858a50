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
