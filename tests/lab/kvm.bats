#!/usr/bin/env bats
# Inside the lab: KVM that works, and everything else that root's disks and networks need.

load helpers

setup()
{
	lab_setup
}

teardown()
{
	lab_teardown
}

@test "a nested guest boots under QEMU with KVM, and nothing is said about emulation" {
	run "$BANGER" vm run -d --name a
	[ "$status" -eq 0 ]
	[[ "$output" != *"no usable KVM"* ]]
	[ "$("$BANGER" vm show a | jq -r .handles.accel)" = kvm ]
	run --separate-stderr "$BANGER" vm exec a -- uname -s
	[ "$output" = Linux ]
	run "$BANGER" vm stop a
	[ "$output" = "a: stopped" ]
}

@test "device mapper, loop and tun devices, nftables and cgroups are here" {
	modprobe -a dm-snapshot loop tun nf_tables
	[ -c /dev/mapper/control ]
	[ -c /dev/loop-control ]
	[ -c /dev/net/tun ]
	nft list ruleset
	[ "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs ]
}
