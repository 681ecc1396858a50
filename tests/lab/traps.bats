#!/usr/bin/env bats
# What a guest and a Firecracker can do to whoever does not expect it.  On the stand-in where that can play
# the part, on a real one (see firecracker.bats) where not.

load helpers

setup()
{
	lab_setup
	export BANGER_VMM=firecracker
	command -v jailer > /dev/null || export BANGER_JAILER_ENABLED=no
}

teardown()
{
	[ -z "${modprobe:-}" ] || echo "$modprobe" > /proc/sys/kernel/modprobe
	lab_teardown && [ -z "$(pgrep -x firecracker; pgrep -x stub_firecracke)" ] && [ ! -e /sys/fs/cgroup/banger ]
}

need_real()
{
	command -v firecracker > /dev/null || skip "the real Firecracker is absent: set BANGER_FIRECRACKER"
}

need_stub()
{
	export BANGER_FIRECRACKER=/usr/local/lib/stub_firecracker BANGER_JAILER_ENABLED=no
}

# ended NAME - it is no longer running, without anybody having stopped it.
ended()
{
	for _ in $(seq 100); do
		[ "$(field "$1" .state)" = running ] || return 0
		sleep 0.2
	done
	return 1
}

@test "a guest that has halted is ended; one that only says so is not" {
	need_stub
	"$BANGER" vm create -q --name a --net none
	"$BANGER" vm exec a -- lie
	sleep 6
	[ "$("$BANGER" vm exec a -- echo alive)" = alive ]
	"$BANGER" vm exec a -- halt
	ended a
	[ "$(field a .state)" = stopped ]
	"$BANGER" vm logs a | grep -q 'reboot: System halted'
}

# each COMMAND... - for every number in place of {}, eight at a time.
each()
{
	seq "$MANY" | xargs -P 8 -I{} "$BANGER" "$@"
}

@test "a dozen VMs with root disks and taps, made, started and deleted at once: nothing is left" {
	need_stub
	MANY=${LAB_MANY:-12} # LAB_MANY=50 make check-lab
	# The kernel's own children count, too: who asks for an interface by a name that is not there starts modprobe.
	printf '%s\n' '#!/bin/sh' 'echo "$@" >> "${0%/*}/modprobe.log"' 'exec modprobe "$@"' > "$BATS_TEST_TMPDIR/modprobe"
	chmod +x "$BATS_TEST_TMPDIR/modprobe"
	modprobe=$(cat /proc/sys/kernel/modprobe)
	echo "$BATS_TEST_TMPDIR/modprobe" > /proc/sys/kernel/modprobe
	export BANGER_MEMORY=64M
	each vm create -q --no-start --name "many{}" --disk-mode dm > /dev/null
	each vm start -q "many{}"
	[ "$(dmsetup ls | grep -c '^banger-')" = "$MANY" ]
	[ "$(ip -o link | grep -c ': bgr[0-9a-f]\{8\}:')" = "$MANY" ]
	[ "$("$BANGER" vm list -q | xargs -n 1 "$BANGER" vm show | jq -r .spec.address | sort -u | wc -l)" = "$MANY" ]
	each vm delete -q "many{}"
	[ -z "$("$BANGER" vm list -q)" ]
	[ -z "$(devices; ip -o link | grep ': bgr[0-9a-f]\{8\}:'; find /var/lib/banger/vms /var/lib/banger/leases/ip -mindepth 1)" ]
	[ -z "$(nft list ruleset | grep bgr)" ]
	[ -z "$(grep bgr "$BATS_TEST_TMPDIR/modprobe.log")" ]
}

@test "a terminal that hangs up does not take the VM along" {
	need_stub
	setsid sh -c '"$BANGER" vm create -q --name a --net none; kill -HUP 0; sleep 1' || true
	[ "$("$BANGER" vm exec a -- echo alive)" = alive ]
	pid=$(field a .handles.vmm.pid)
	[ "$(ps -o sid= -p "$pid" | xargs)" = "$pid" ]
	for fd in 0 1 2; do
		[ -e "/proc/$pid/fd/$fd" ] # a closed one makes a real one fail
	done
	[ "$(readlink "/proc/$pid/fd/0")" = /dev/null ]
}

@test "a guest that powers itself off is stopped; a panic is told apart from a reboot, with its words" {
	need_real
	"$BANGER" vm run -q -d --name a --net none
	run "$BANGER" vm exec a -- sh -c 'echo c > /proc/sysrq-trigger; sleep 20'
	[ "$status" -ne 0 ]
	[[ "$output" == *"on its console: Kernel panic - not syncing: sysrq triggered crash"* ]]
	ended a
	"$BANGER" vm start -q a
	run "$BANGER" vm exec a -- sh -c 'reboot -f; sleep 20'
	[ "$status" -ne 0 ]
	[[ "$output" != *panic* ]]
	ended a
	"$BANGER" vm start -q a
	"$BANGER" vm exec a -- poweroff -f || true
	ended a
	[ "$(field a .state)" = stopped ]
	run "$BANGER" vm stop a
	[ "$status" -eq 0 ]
}

@test "a console that nobody reads any more does not stall the guest" {
	need_real
	"$BANGER" vm run -q -d --name a --net none
	kill -KILL "$(field a .handles.console.pid)"
	timeout 120 "$BANGER" vm exec a -- sh -c 'i=0; while [ $i -lt 500 ]; do echo "flood $i of the console"; i=$((i + 1)); done > /dev/console'
	[ "$("$BANGER" vm exec a -- echo alive)" = alive ]
	run "$BANGER" vm stop a
	[ "$output" = "a: stopped" ]
}

@test "limits of the jail, its tap's owner, and what is left of them: files that are root's to read" {
	need_real
	command -v jailer > /dev/null || skip "the real jailer is absent: put it beside BANGER_FIRECRACKER"
	"$BANGER" vm run -q -d --name a --vcpu 2
	local short pid uid group tap
	short=$(field a .id | cut -c 1-8)
	pid=$(field a .handles.vmm.pid)
	uid=$(stat -c %u "/proc/$pid")
	group=/sys/fs/cgroup/banger/banger-$short
	tap=bgr$short
	[ "$(cat "/sys/class/net/$tap/owner")" = "$uid" ]
	grep -qx "$pid" "$group/cgroup.procs" # with threads that KVM made for it
	[ "$(cat "$group/memory.max")" = $(((256 + 256) << 20)) ]
	[ "$(cat "$group/cpu.max")" = "300000 100000" ]
	[ "$(cat "$group/pids.max")" = 66 ]
	[ "$(stat -Lc '%a %u' "/run/banger/$short/api")" = "700 $uid" ]
	[ "$("$BANGER" vm exec a -- nproc)" = 2 ]
	[ "$(nft list ruleset | grep -c "$tap")" -ge 1 ]
	before=$(nft list ruleset | grep "$tap" | sort)
	"$BANGER" vm stop -q a
	[ ! -e "/sys/class/net/$tap" ] && [ ! -e "$group" ] && [ ! -e /var/lib/banger/vms/a/jail ]
	[ ! -e "/run/banger/$short" ]
	# Readable to root, writable to nobody who could log in, and not to the next VM's process.
	[ -z "$(find /var/lib/banger/vms/a -perm /077)" ]
	[ -z "$(find /var/lib/banger/vms/a ! -uid 0 ! -uid "$uid")" ]
	"$BANGER" vm start -q a
	[ "$(nft list ruleset | grep "$tap" | sort)" = "$before" ]
	"$BANGER" vm delete -q a
	[ -z "$(nft list ruleset | grep "$tap")" ]
	[ ! -e "/sys/class/net/$tap" ]
}
