#!/usr/bin/env bats
# Killed at any moment, with what only the lab has: the device mapper.  VMs without guests.

load helpers

# Emulated and traced, on a machine that does more.
BATS_TEST_TIMEOUT=900

setup()
{
	lab_setup
	mkdir -p /var/lib/banger/vms
	modprobe -a dm_snapshot tun
}
teardown() { lab_teardown; }

@test "kill -9 at points of start, stop and delete leaves no device, tap, rule or process" {
	CRASH_TOOLS=/usr/local/lib CRASH_POINTS="${LAB_CRASH_POINTS:-6 dmstop:3 dmdelete:3}" CRASH_MODES=after \
		run timeout 900 /root/tests/crash/kill_sweep.sh dmstart dmstop dmdelete
	echo "$output"
	echo "$output" | sed 's/^/# /' >&3
	[ "$status" -eq 0 ]
	[ "$(grep -c '^ok ' <<< "$output")" -eq 3 ]
	! grep '# skip' <<< "$output" || return 1
}
