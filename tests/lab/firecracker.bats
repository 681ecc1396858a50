#!/usr/bin/env bats
# Firecracker inside the lab.  With a real one (/usr/local/bin/firecracker, brought in by run.sh) the end to end
# tests run on it; what only needs the host's side runs on the stand-in, tests/tools/stub_firecracker.c.

bats_require_minimum_version 1.5.0

setup()
{
	export BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1 BANGER_VMM=firecracker
	STUB=/usr/local/lib/stub_firecracker
	command -v jailer > /dev/null || export BANGER_JAILER_ENABLED=no
}

teardown()
{
	local name
	for name in $("$BANGER" vm list -q); do
		"$BANGER" vm delete -q "$name"
	done
	[ -z "$(pgrep -x firecracker)" ]
	[ -z "$(pgrep -x stub_firecracke)" ]
	[ ! -e /sys/fs/cgroup/banger ]
	[ -z "$(find /run/banger -mindepth 1 -maxdepth 1 -name '????????' 2> /dev/null)" ]
	[ -z "$(ls -A /var/lib/banger/vms 2> /dev/null)" ]
}

need_real()
{
	command -v firecracker > /dev/null || skip "the real Firecracker is absent: set BANGER_FIRECRACKER"
}

ended()
{
	for _ in $(seq 100); do
		[ "$("$BANGER" vm show "$1" | jq -r .state)" != running ] && return 0
		sleep 0.2
	done
	return 1
}

@test "a guest of a real Firecracker runs commands, several at once, and is told to end" {
	need_real
	run "$BANGER" vm run -d --name a --net none
	[ "$status" -eq 0 ]
	[ "$("$BANGER" vm show a | jq -r .handles.driver)" = firecracker ]
	[ "$("$BANGER" vm exec a -- uname -s)" = Linux ]
	run "$BANGER" vm exec a -- sh -c 'exit 7'
	[ "$status" -eq 7 ]
	local pids=()
	for i in 1 2 3 4 5 6; do
		"$BANGER" vm exec a -- sh -c "sleep 1; echo $i > /root/$i" 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	[ "$("$BANGER" vm exec a -- sh -c 'ls /root | grep -c "^[1-6]$"')" = 6 ]
	head -c 5000000 /dev/urandom > /tmp/big
	[ "$("$BANGER" vm exec -i a -- sha256sum < /tmp/big | cut -c 1-64)" = "$(sha256sum < /tmp/big | cut -c 1-64)" ]
	"$BANGER" vm exec a -- sh -c 'lsmod | grep -q virtio_blk && ! grep -q nomodule /proc/cmdline'
	run "$BANGER" vm stop a
	[ "$output" = "a: stopped" ]
	# What it wrote is there after the next start.
	"$BANGER" vm start a
	[ "$("$BANGER" vm exec a -- cat /root/3)" = 3 ]
}

@test "root's guest is jailed: its own user, root and limits, nothing copied, and no planted link is followed" {
	need_real
	command -v jailer > /dev/null || skip "the real jailer is absent: put it beside BANGER_FIRECRACKER"
	"$BANGER" vm run -d --name a --net none
	local pid uid root jail=/var/lib/banger/vms/a/jail
	root=$(echo "$jail"/firecracker/*/root)
	pid=$(pgrep -x firecracker)
	uid=$(stat -c %u "/proc/$pid")
	[ "$uid" -ge $((0x70000000)) ]
	[ "$(awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status")" = "$uid $uid $uid $uid" ]
	[ "$(awk '/^CapEff:/ { print $2 }' "/proc/$pid/status")" = 0000000000000000 ]
	[ "$(chroot "/proc/$pid/root" /firecracker --version | head -n 1)" = "$(firecracker --version | head -n 1)" ]
	grep -q '^0::/banger/banger-' "/proc/$pid/cgroup"
	[ "$(cat /sys/fs/cgroup/banger/banger-*/memory.max)" -gt $((256 << 20)) ]
	[ "$(cat /sys/fs/cgroup/banger/banger-*/pids.max)" = 65 ]
	# One inode under two names.
	[ "$(stat -c %i "$root/disk1")" = "$(stat -c %i /var/lib/banger/vms/a/work.ext4)" ]
	# What a process that broke out of its guest could plant.
	mkdir -p /root/precious
	echo here > /root/precious/file
	ln -s /root/precious "$root/planted"
	ln -s / "$root/run/slash"
	# Lost handles: it is found by its jail.
	rm /var/lib/banger/vms/a/handles.json
	[ "$("$BANGER" vm show a | jq -r .state)" = running ]
	run "$BANGER" vm stop a
	[ "$output" = "a: stopped" ]
	[ ! -e "$jail" ]
	[ "$(cat /root/precious/file)" = here ]
	# A start that was killed half-way leaves a jail that the next one replaces.
	mkdir -p "$jail/firecracker/banger-00000000/root"
	"$BANGER" vm start a
	[ ! -e "$jail/firecracker/banger-00000000" ]
	rm -rf /root/precious
}

@test "a jailer that is missing or of another version is refused, and can be done without" {
	need_real
	run env BANGER_JAILER=/no/such/jailer "$BANGER" vm create --name a --net none
	[ "$status" -eq 1 ]
	[[ "$output" == *"jailer is not installed"* ]]
	printf '#!/bin/sh\necho Jailer v1.0.0\n' > /usr/local/bin/old-jailer
	chmod 0755 /usr/local/bin/old-jailer
	run env BANGER_JAILER=old-jailer "$BANGER" vm create --name a --net none
	rm /usr/local/bin/old-jailer
	[[ "$output" == *"another version than Firecracker"* ]]
	BANGER_JAILER_ENABLED=no "$BANGER" vm run -d --name a --net none
	[ "$(stat -c %u "/proc/$(pgrep -x firecracker)")" = 0 ]
	[ "$("$BANGER" vm exec a -- uname)" = Linux ]
}

@test "a guest that reboots has ended, and so has one whose kernel panics, but not in the same words" {
	need_real
	"$BANGER" vm run -d --name a --net none
	"$BANGER" vm exec a -- sh -c 'reboot -f & sleep 5' || true
	ended a
	"$BANGER" vm start a
	"$BANGER" vm exec a -- sh -c 'echo c > /proc/sysrq-trigger' || true
	ended a
	"$BANGER" vm logs a | grep -q 'Kernel panic'
}

@test "the agent's counters and the VMM's are told, and the work disk grows while it runs" {
	need_real
	"$BANGER" vm run -d --name a --net none --disk-size 64M
	"$BANGER" vm exec a -- sh -c 'dd if=/dev/zero of=/root/x bs=1M count=4; sync'
	run --separate-stderr "$BANGER" vm stats --json a
	[ "$status" -eq 0 ]
	[ "$(jq -r '.. | .write_bytes? // empty' <<< "$output" | sort -n | tail -n 1)" -ge 4000000 ]
	"$BANGER" vm set a --disk-size 128M
	[ "$("$BANGER" vm exec a -- df -m /root | awk 'NR == 2 { print ($2 > 100) }')" = 1 ]
}

@test "a fault names the kernel that is damaged, with what Firecracker said" {
	need_real
	"$BANGER" vm create --name a --net none --no-start
	cp -a /var/lib/banger/kernels/debian-12/vmlinux /tmp/vmlinux
	rm /var/lib/banger/kernels/debian-12/vmlinux
	echo nothing > /var/lib/banger/kernels/debian-12/vmlinux
	run "$BANGER" vm start a
	mv -f /tmp/vmlinux /var/lib/banger/kernels/debian-12/vmlinux
	[ "$status" -eq 1 ]
	[[ "$output" == *"Firecracker"* ]]
	[ "$("$BANGER" vm show a | jq -r .state)" = failed ]
}

@test "a life cycle on the stand-in: the agent by vsock, stale sockets, lost handles" {
	export BANGER_FIRECRACKER=$STUB BANGER_JAILER_ENABLED=no
	"$BANGER" vm create --name a --net none
	[ "$("$BANGER" vm exec a -- echo hello)" = hello ]
	rm /var/lib/banger/vms/a/handles.json
	[ "$("$BANGER" vm exec a -- echo again)" = again ]
	run "$BANGER" vm stop a
	[ "$output" = "a: stopped" ]
	"$BANGER" vm start a
	"$BANGER" vm kill a
	"$BANGER" vm start a
	[ "$("$BANGER" vm exec a -- echo back)" = back ]
}

@test "a vsock that stays silent ends by the time limit" {
	export BANGER_FIRECRACKER=$STUB BANGER_JAILER_ENABLED=no STUB_FC_SILENT=1
	"$BANGER" vm create --name a --net none
	run timeout 60 "$BANGER" vm stop a
	[ "$status" -eq 0 ]
	[[ "$output" == *"stopped by force"* ]]
}

@test "what Firecracker cannot do is refused before anything is made" {
	export BANGER_FIRECRACKER=$STUB BANGER_JAILER_ENABLED=no
	run "$BANGER" vm create --name a --net user
	[ "$status" -eq 1 ]
	[[ "$output" == *"firecracker has no user-mode network"* ]]
	run "$BANGER" vm create --name a --net none --disk-mode qcow2
	[ "$status" -eq 1 ]
	[[ "$output" == *qcow2* ]]
	# A file of its own: what the stand-in said before is remembered.
	printf '#!/bin/sh\nSTUB_FC_VERSION=1.7.0 exec %s "$@"\n' "$STUB" > /usr/local/lib/old_firecracker
	chmod 0755 /usr/local/lib/old_firecracker
	BANGER_FIRECRACKER=/usr/local/lib/old_firecracker run "$BANGER" vm create --name a --net none
	rm /usr/local/lib/old_firecracker
	[[ "$output" == *"Firecracker 1.7 is too old"* ]]
	run "$BANGER" vm create --name a --net none --vcpu 33
	[ "$status" -eq 1 ]
	[[ "$output" == *"at most 32 CPUs"* ]]
	BANGER_FIRECRACKER=/no/such/program run "$BANGER" vm create --name a --net none
	[[ "$output" == *"not installed"* ]]
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "a Firecracker that cannot start in a jail is refused before anything is made" {
	printf '%s\n' '#!/bin/sh' 'echo Jailer v1.16.1' > /usr/local/lib/some_jailer
	chmod 0755 /usr/local/lib/some_jailer
	export BANGER_FIRECRACKER=$STUB BANGER_JAILER_ENABLED=yes BANGER_JAILER=/usr/local/lib/some_jailer
	run "$BANGER" vm create --name a --net none
	rm /usr/local/lib/some_jailer
	[ "$status" -eq 1 ]
	[[ "$output" == *"'$STUB' is not linked statically, so it cannot start in a jail"* ]]
	[[ "$output" == *"BANGER_JAILER_ENABLED=no"* ]]
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "root runs no Firecracker that others can write" {
	mkdir -p /opt/loose
	cp "$STUB" /opt/loose/firecracker
	chmod 0777 /opt/loose
	BANGER_FIRECRACKER=/opt/loose/firecracker run "$BANGER" vm create --name a --net none
	[ "$status" -eq 1 ]
	[[ "$output" == *"others than root can write '/opt/loose'"* ]]
	chmod 0755 /opt/loose
	chown 1000 /opt/loose/firecracker
	BANGER_FIRECRACKER=/opt/loose/firecracker run "$BANGER" vm create --name a --net none
	[[ "$output" == *"others than root can write '/opt/loose/firecracker'"* ]]
	rm -rf /opt/loose
}

@test "the end-to-end suite of tests/vm follows, on a real Firecracker" {
	need_real
	[ -d "$VM_TESTS_FIXTURE/images/busybox" ]
}
