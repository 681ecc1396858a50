#!/usr/bin/env bats
# A real Debian with systemd.

load helpers

setup_file() { vm_setup_file --debian; }
setup()
{
	vm_setup
	export BANGER_IMAGE=debian-bookworm BANGER_MEMORY=768M
}
teardown() { vm_teardown; }

@test "systemd is pid 1, the agent answers early, the system comes up, and stop powers it off" {
	"$BANGER" vm run -q -d --name a > /dev/null
	# The agent answers before systemd has taken over, so what needs systemd waits for its socket.
	"$BANGER" vm exec --timeout 2m a -- sh -c 'until [ -S /run/systemd/private ]; do sleep 0.1; done'
	run --separate-stderr "$BANGER" vm exec a -- cat /proc/1/comm
	[ "$output" = systemd ]
	run --separate-stderr "$BANGER" vm exec --timeout 4m a -- systemctl is-system-running --wait
	echo "$output" >&2
	[ "$output" = running ]
	run --separate-stderr "$BANGER" vm exec a -- systemctl is-active ssh banger-agent
	[ "$output" = $'active\nactive' ]
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'git --version && curl --version && sudo -V && ip -V' 
	[ "$status" -eq 0 ]
	"$BANGER" vm exec a -- sh -c 'echo one > /root/kept; echo two > /etc/kept'
	run "$BANGER" vm stop a
	[ "$output" = "a: stopped" ]
	"$BANGER" vm start -q a
	run --separate-stderr "$BANGER" vm exec a -- cat /root/kept /etc/kept
	[ "$output" = $'one\ntwo' ]
	run --separate-stderr "$BANGER" vm exec a -- hostname
	[ "$output" = a ]
}
