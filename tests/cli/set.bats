#!/usr/bin/env bats
# vm set, rename, clone, prune and system df: VMs without guests.

load helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

spec() { "$BANGER" vm show "$1" | jq -c ".spec.$2"; }

@test "set changes a stopped VM, all of it or nothing" {
	"$BANGER" vm create -q --name a --no-start --label x=1 > /dev/null
	created=$(spec a created) image=$(spec a image_digest) id=$(spec a id)
	run "$BANGER" vm set a --vcpu 2 --memory 128M --disk-size 32M --label y=2 --label x- --ttl 8h --auto-stop 2h
	is "$status" 0
	is "$output" "a: vcpu 1 -> 2, memory 64M -> 128M, work disk 16M -> 32M, auto-stop none -> 2h, ttl none -> 8h, labels"
	is "$(stat -c %s "$BANGER_STATE_DIR/vms/a/work.ext4")" $((32 * 1024 * 1024))
	is "$(spec a labels)" '["y=2"]'
	is "$(spec a created) $(spec a image_digest) $(spec a id)" "$created $image $id"
	before=$(sha256sum "$BANGER_STATE_DIR/vms/a/spec.json")
	run "$BANGER" vm set a --vcpu 4 --disk-size 20M
	is "$status" 1
	has "$output" "the work disk of VM 'a' has 32M and cannot shrink to 20M"
	run "$BANGER" vm set a --vcpu 4 --label bad
	is "$status" 1
	run "$BANGER" vm set a --memory 1K
	is "$status" 1
	is "$(sha256sum "$BANGER_STATE_DIR/vms/a/spec.json")" "$before"
	"$BANGER" vm set -q a --ttl 0
	is "$(spec a ttl)" null
	is "$("$BANGER" vm set a --vcpu 2)" "a: is so already"
	run "$BANGER" vm set a
	is "$status" 2
	run "$BANGER" vm set a --vcpu 0
	is "$status" 2
	"$BANGER" vm delete -q a
}

@test "set on a running VM: limits and labels at once, CPUs and memory not" {
	"$BANGER" vm create -q --name a > /dev/null
	"$BANGER" vm create -q --name b --no-start > /dev/null
	run "$BANGER" vm set a b --vcpu 2
	is "$status" 1
	has "$output" "VM 'a' is running: the number of its CPUs cannot be changed now"
	has "$output" "hint: Stop it first: banger vm stop a"
	has "$output" "b: vcpu 1 -> 2"
	is "$(spec a vcpu) $(spec b vcpu)" "1 2"
	"$BANGER" vm set -q a --label l=1 --auto-stop 0
	is "$(spec a auto_stop) $(spec a labels)" '"0" ["l=1"]'
	"$BANGER" vm delete -q a b
	nothing_is_left
}

@test "a growth that was cut short is completed by the next one" {
	"$BANGER" vm create -q --name a --no-start > /dev/null
	truncate -s 32M "$BANGER_STATE_DIR/vms/a/work.ext4" # as a kill between file and spec.json leaves it
	run "$BANGER" vm set a --disk-size 24M
	is "$status" 1
	"$BANGER" vm set -q a --disk-size 32M
	is "$(spec a disk_bytes)" $((32 * 1024 * 1024))
	"$BANGER" vm delete -q a
}

@test "rename: the id stays, the old name is free, a running VM is refused" {
	"$BANGER" vm create -q --name a --no-start > /dev/null
	id=$(spec a id)
	key=$(cut -d' ' -f2- "$BANGER_STATE_DIR/vms/a/known_hosts")
	"$BANGER" vm rename a b
	is "$(spec b id)" "$id"
	is "$(cut -d" " -f2- "$BANGER_STATE_DIR/vms/b/known_hosts")" "$key"
	is "$("$BANGER" ps -q | xargs)" b
	"$BANGER" vm create -q --name a > /dev/null
	run "$BANGER" vm rename a c
	is "$status" 1
	has "$output" "banger vm stop a"
	run "$BANGER" vm rename b a
	is "$status" 1
	has "$output" "there is a VM 'a' already"
	run "$BANGER" vm rename b Bad_
	is "$status" 1
	"$BANGER" vm start -q b
	"$BANGER" vm stop -q b
	"$BANGER" vm delete -q a b
	nothing_is_left
}

@test "a rename that was killed has one of the two names" {
	needs strace
	is_sanitized && skip "strace and sanitizers do not go together"
	"$BANGER" vm create -q --name a --no-start > /dev/null
	for call in rename:when=1 renameat2:when=1 fsync:when=1 fsync:when=2 fsync:when=3 fsync:when=4 renameat:when=1 renameat:when=2; do
		strace -qq -o /dev/null -f -e "inject=${call%%:*}:signal=KILL:${call#*:}" \
			"$BANGER" vm rename "$("$BANGER" ps -q)" "b$RANDOM" 2> /dev/null || true
		is "$("$BANGER" ps -q | wc -l)" 1
		is "$("$BANGER" vm show "$("$BANGER" ps -q)" | jq -r .state)" created
		is "$("$BANGER" vm show "$("$BANGER" ps -q)" | jq -r .spec.name)" "$("$BANGER" ps -q)"
	done
	"$BANGER" vm start -q "$("$BANGER" ps -q)"
	"$BANGER" vm delete -q "$("$BANGER" ps -q)"
	nothing_is_left
}

@test "clone: the same disks, another identity, nothing left by a failure" {
	"$BANGER" vm create -q --name a --no-start --label l=1 --disk-size 32M > /dev/null
	is "$("$BANGER" vm clone a b)" b
	cmp "$BANGER_STATE_DIR/vms/a/work.ext4" "$BANGER_STATE_DIR/vms/b/work.ext4"
	cmp "$BANGER_STATE_DIR/vms/a/root.img" "$BANGER_STATE_DIR/vms/b/root.img"
	[ "$(stat -c %b "$BANGER_STATE_DIR/vms/b/work.ext4")" -le $(($(stat -c %b "$BANGER_STATE_DIR/vms/a/work.ext4") + 64)) ]
	is "$(spec b labels) $(spec b disk_bytes)" '["l=1"] 33554432'
	[ "$(spec a id)" != "$(spec b id)" ]
	is "$(spec b machine_id)" "$(spec b id)"
	has "$(cat "$BANGER_STATE_DIR/vms/b/known_hosts")" "ssh-ed25519 "
	[ "$(cut -d' ' -f3 "$BANGER_STATE_DIR/vms/a/known_hosts")" != "$(cut -d' ' -f3 "$BANGER_STATE_DIR/vms/b/known_hosts")" ]
	is "$("$BANGER" vm show b | jq -r .state)" created
	run "$BANGER" vm clone a b
	is "$status" 1
	"$BANGER" vm start -q a b
	run "$BANGER" vm clone a c
	is "$status" 1
	has "$output" "its disks change while they would be copied"
	"$BANGER" vm delete -q a b
	nothing_is_left
}

@test "prune: never a running VM unless --stale says so, and it tells bytes" {
	"$BANGER" vm create -q --name run1 > /dev/null
	"$BANGER" vm create -q --name new1 --no-start --label ci=1 > /dev/null
	"$BANGER" vm create -q --name off1 > /dev/null
	"$BANGER" vm stop -q off1
	run "$BANGER" vm prune < /dev/null
	is "$status" 1
	has "$output" "2 VMs would be removed"
	is "$("$BANGER" vm prune --dry-run -q | xargs)" "new1 off1"
	is "$("$BANGER" vm prune --dry-run -q --label ci | xargs)" "new1"
	is "$("$BANGER" vm prune --dry-run -q --stale 1h | xargs)" ""
	run "$BANGER" vm prune -f
	is "$status" 0
	[[ $output =~ ^freed\ [0-9.]+[KM]:\ 2\ VMs$ ]]
	is "$("$BANGER" ps -q)" run1
	# Stale, but somebody has a session in it; then not any more.
	"$BANGER" vm exec run1 -- flood > /dev/null &
	flood=$!
	sleep 0.3
	run "$BANGER" vm prune -f --stale 0
	is "$status" 1
	has "$output" "somebody has a session in it"
	kill "$flood"
	wait "$flood" || true
	run "$BANGER" vm prune -f --stale 0
	is "$status" 0
	is "$("$BANGER" ps -q)" ""
	nothing_is_left
}

@test "system df: what is allocated, and what could be had back" {
	"$BANGER" vm create -q --name a > /dev/null
	run --separate-stderr "$BANGER" system df --json
	is "$status" 0
	is "$(jq -r '[.[].what] | join(" ")' <<< "$output")" "vms images kernels cache total"
	is "$(jq '.[0] | [.count, .reclaimable_bytes] | join(" ")' <<< "$output")" '"1 0"'
	is "$(jq '.[0].allocated_bytes' <<< "$output")" $(($(du -s --block-size=512 "$BANGER_STATE_DIR/vms/a" | cut -f1) * 512))
	"$BANGER" vm kill -q a
	[ "$("$BANGER" system df --json | jq '.[0].reclaimable_bytes')" -gt 0 ]
	is "$("$BANGER" system df --json | jq '.[1].reclaimable_bytes')" 0
	"$BANGER" vm delete -q a
	[ "$("$BANGER" system df --json | jq '.[1].reclaimable_bytes')" -gt 0 ]
}

@test "an emulated VM has one CPU, unless somebody says how many" {
	unset BANGER_VCPU
	cpus() { "$BANGER" vm show "$1" | jq .spec.vcpu; }
	run "$BANGER" vm create --no-start --name a
	is "$status" 0
	[[ "$output" == *"the VM is emulated"* ]] || skip "this host has KVM"
	is "$(cpus a)" 1
	"$BANGER" vm create -q --no-start --name b --vcpu 2 > /dev/null
	is "$(cpus b)" 2
	BANGER_VCPU=3 "$BANGER" vm create -q --no-start --name c > /dev/null
	is "$(cpus c)" 3
}
