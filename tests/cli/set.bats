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
