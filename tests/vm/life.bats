#!/usr/bin/env bats
# start, stop, restart, kill, delete: from every state, with anything missing.

load helpers

setup_file() { vm_setup_file; }
setup() { vm_setup; }
teardown()
{
	local name
	if mountpoint -q "$BANGER_STATE_DIR/vms"; then # of the test with a full disk, however it ended
		for name in $("$BANGER" vm list -q); do
			"$BANGER" vm delete -q --force "$name" || true
		done
		umount "$BANGER_STATE_DIR/vms" || true
	fi
	vm_teardown
}

@test "vm_lifecycle: files in /root and /etc survive stop and start" {
	"$BANGER" vm run -q -d --name a > /dev/null
	"$BANGER" vm exec a -- sh -c 'echo one > /root/kept; echo two > /etc/kept'
	# One id for what the host's log and the guest's have.
	BANGER_OPERATION=00000000feedface "$BANGER" vm exec --log-file "$BATS_TEST_TMPDIR/host.log" a -- echo secret
	run "$BANGER" vm exec a -- cat /run/banger/agent.log
	[[ "$output" == *" the machine was started"*" 00000000feedface a command as root"* ]]
	[[ "$output" != *secret* ]]
	[ "$(jq -r .operation "$BATS_TEST_TMPDIR/host.log" | sort -u)" = 00000000feedface ]
	run env BANGER_OPERATION=00000000facefeed "$BANGER" vm stop a
	[ "$status" -eq 0 ]
	"$BANGER" vm logs a | grep 'powering off for operation 00000000facefeed'
	[ "$output" = "a: stopped" ]
	[ "$(state a)" = stopped ]
	"$BANGER" vm start -q a
	run --separate-stderr "$BANGER" vm exec a -- cat /root/kept /etc/kept
	[ "$output" = $'one\ntwo' ]
	run "$BANGER" vm delete a
	[ "$output" = "a: deleted" ]
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "vm_restart: the boot id changes" {
	"$BANGER" vm run -q -d --name a > /dev/null
	before=$("$BANGER" vm exec a -- cat /proc/sys/kernel/random/boot_id)
	"$BANGER" vm restart -q a
	after=$("$BANGER" vm exec a -- cat /proc/sys/kernel/random/boot_id)
	[ -n "$before" ] && [ -n "$after" ] && [ "$before" != "$after" ]
}

@test "lesson 19: what was written just before stop is there after start" {
	local rounds=${STOP_ROUNDS:-3} # 'make soak' has 100

	"$BANGER" vm run -q -d --name a > /dev/null
	for round in $(seq "$rounds"); do # bats' run has an i of its own
		"$BANGER" vm exec a -- sh -c "echo $round >> /root/log; echo $round >> /etc/log"
		"$BANGER" vm stop -q a
		"$BANGER" vm start -q a
		run --separate-stderr "$BANGER" vm exec a -- cat /root/log /etc/log
		[ "$output" = "$(seq "$round"; seq "$round")" ]
	done
}

@test "lesson 14, vm_kill: a forced kill ends in stopped" {
	"$BANGER" vm create -q --name a > /dev/null
	run "$BANGER" vm kill --signal KILL a
	[ "$status" -eq 0 ]
	[ "$(state a)" = stopped ]
	run "$BANGER" vm kill --signal STOP a
	[ "$status" -eq 2 ]
	"$BANGER" vm kill a
}

@test "created, started twice, stopped twice: each says what it found" {
	run --separate-stderr "$BANGER" vm create -q --no-start --name a
	[ "$output" = a ]
	[ "$(state a)" = created ]
	run "$BANGER" vm start a
	[ "$output" = "a: started" ]
	run "$BANGER" vm start a
	[ "$status" -eq 0 ]
	[ "$output" = "a: is running already" ]
	"$BANGER" vm kill -q a
	run "$BANGER" vm stop a
	[ "$status" -eq 0 ]
	[ "$output" = "a: is stopped already" ]
}

@test "several names: side by side, duplicates folded, one failure does not stop the others" {
	for name in a b c; do
		"$BANGER" vm create -q --no-start --name "$name" > /dev/null
	done
	run --separate-stderr "$BANGER" vm start c a nobody c b
	[ "$status" -eq 1 ]
	[ "$output" = $'c: started\na: started\nb: started' ]
	[[ "$stderr" == *"there is no VM 'nobody'"* ]]
	run "$BANGER" vm delete a b c
	[ "$status" -eq 0 ]
}

@test "prefixes of names and ids work, ambiguous ones list the candidates" {
	"$BANGER" vm create -q --no-start --name web-1 > /dev/null
	"$BANGER" vm create -q --no-start --name web-2 > /dev/null
	run "$BANGER" vm show web
	[ "$status" -eq 1 ]
	[[ "$output" == *"web-1, web-2"* ]]
	id=$("$BANGER" vm show web-1 | jq -r .id)
	[ "$("$BANGER" vm show "${id:0:10}" | jq -r .name)" = web-1 ]
	# lesson 30: a new name may be a prefix of another.
	"$BANGER" vm create -q --no-start --name web > /dev/null
	[ "$("$BANGER" vm show web | jq -r .name)" = web ]
}

@test "lessons 1 and 8: handles.json lost or garbage, the VM is still found, stopped and deleted" {
	"$BANGER" vm create -q --name a > /dev/null
	rm "$BANGER_STATE_DIR/vms/a/handles.json"
	[ "$(state a)" = running ]
	"$BANGER" vm kill -q a
	[ -z "$(processes)" ]
	"$BANGER" vm start -q a
	echo '{"version":1,"vmm":{"pid":1,"start_ticks":0,"boot_id":"x"}}' > "$BANGER_STATE_DIR/vms/a/handles.json"
	[ "$(state a)" = running ]
	"$BANGER" vm delete -q a
	[ -z "$(processes)" ]
}

@test "delete works with spec.json, handles.json or both broken, while the VM runs" {
	for broken in spec.json handles.json "spec.json handles.json" "spec.json handles.json root.img initrd.img"; do
		"$BANGER" vm create -q --name a > /dev/null
		for file in $broken; do
			echo '{"vers' > "$BANGER_STATE_DIR/vms/a/$file"
		done
		run "$BANGER" vm list
		[ "$status" -eq 0 ]
		run "$BANGER" vm delete a
		[ "$status" -eq 0 ]
		[ -z "$(processes)" ]
		[ -z "$(ls -A "$BANGER_RUN_DIR")" ]
	done
}

@test "one sick VM does not break the list" {
	"$BANGER" vm create -q --no-start --name well > /dev/null
	"$BANGER" vm create -q --no-start --name sick > /dev/null
	echo garbage > "$BANGER_STATE_DIR/vms/sick/spec.json"
	run "$BANGER" vm list
	[ "$status" -eq 0 ]
	[[ "$output" == *sick*"not"*JSON* ]]
	[[ "$output" == *well*created* ]]
	[ "$("$BANGER" vm list --json | jq -r '.[] | select(.name == "sick") | .state')" = failed ]
}

@test "kill -9 of banger in mid-start, then delete: nothing is left" {
	for delay in 0.01 0.03 0.06 0.1 0.15 0.2 0.3 0.5; do
		"$BANGER" vm create -q --no-start --name a > /dev/null
		"$BANGER" vm start -q a &
		pid=$!
		sleep "$delay"
		kill -KILL "$pid" 2> /dev/null || true
		wait "$pid" || true
		"$BANGER" vm delete -q a
		[ -z "$(processes)" ]
		[ -z "$(ls -A "$BANGER_RUN_DIR")" ]
		[ -z "$(ls -A "$BANGER_STATE_DIR/vms")" ]
	done
}

@test "kill -9 of banger in mid-create: the name is free or complete, the rest is swept" {
	for delay in 0.001 0.002 0.004 0.008 0.016 0.03; do
		"$BANGER" vm create -q --no-start --name a > /dev/null &
		pid=$!
		sleep "$delay"
		kill -KILL "$pid" 2> /dev/null || true
		wait "$pid" || true
		"$BANGER" vm delete -q a 2> /dev/null || true
		"$BANGER" vm create -q --no-start --name a > /dev/null
		"$BANGER" vm delete -q a
		[ -z "$(ls -A "$BANGER_STATE_DIR/vms")" ]
	done
}

@test "the VM outlives banger, its terminal and its session" {
	setsid "$BANGER" vm run -q -d --name a > /dev/null
	pid=$("$BANGER" vm show a | jq -r .handles.vmm.pid)
	[ "$(ps -o sid= -p "$pid" | tr -d ' ')" = "$pid" ]
	# Nothing of ours is inherited: no lock, no directory (field lesson: flock survives in children).
	run ls -l "/proc/$pid/fd"
	[[ "$output" != *"/lock"* ]]
	"$BANGER" vm stop -q --timeout 30s a
}

@test "a start that fails undoes everything, keeps the reason, and works once the cause is gone" {
	only_qemu
	"$BANGER" vm create -q --no-start --name a > /dev/null
	mv "$BANGER_STATE_DIR/vms/a/work.ext4" "$BATS_TEST_TMPDIR/"
	run "$BANGER" vm start a
	[ "$status" -eq 1 ]
	mv "$BATS_TEST_TMPDIR/work.ext4" "$BANGER_STATE_DIR/vms/a/"
	printf '#!/bin/sh\necho "qemu: broken on purpose" >&2\nexit 1\n' > "$BATS_TEST_TMPDIR/qemu"
	chmod +x "$BATS_TEST_TMPDIR/qemu"
	BANGER_QEMU_BIN=$BATS_TEST_TMPDIR/qemu run "$BANGER" vm start a
	[ "$status" -eq 1 ]
	[[ "$output" == *"broken on purpose"* ]]
	[ "$(state a)" = failed ]
	[ -z "$(ls -A "$BANGER_RUN_DIR")" ]
	[ ! -e "$BANGER_STATE_DIR/vms/a/initrd.img" ]
	"$BANGER" vm start -q a
	[ "$(state a)" = running ]
}

@test "missing QEMU, kernel or image is found before anything is made, with what to type" {
	only_qemu
	BANGER_QEMU_BIN=/nowhere/qemu run "$BANGER" vm run -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"apt-get install qemu-system-x86"* ]]
	run "$BANGER" vm run --image no-such-image -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *no-such-image* ]]
	run "$BANGER" vm run --kernel no-such-kernel -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *no-such-kernel* ]]
	[ -z "$("$BANGER" vm list -q)" ]
	[ -z "$(ls -A "$BANGER_STATE_DIR/vms" 2> /dev/null)" ]
}

@test "images and kernels in use cannot be deleted, and the message names the VMs" {
	"$BANGER" vm create -q --no-start --name user-of-it > /dev/null
	run "$BANGER" image delete busybox
	[ "$status" -ne 0 ]
	[[ "$output" == *user-of-it* ]]
	run "$BANGER" kernel delete debian-12
	[ "$status" -ne 0 ]
	[[ "$output" == *user-of-it* ]]
}

@test "observers write nothing and do not wait for locks" {
	"$BANGER" vm create -q --no-start --name a > /dev/null
	exec 8>> "$BANGER_STATE_DIR/vms/a/lock"
	flock 8
	before=$(find "$BANGER_STATE_DIR" -printf '%p %T@ %s\n' | sort | sha256sum)
	start=$SECONDS
	"$BANGER" vm list > /dev/null
	"$BANGER" vm show a > /dev/null
	"$BANGER" image list > /dev/null
	"$BANGER" kernel list > /dev/null
	run "$BANGER" vm logs a
	[ "$status" -eq 1 ]
	[ $((SECONDS - start)) -lt 10 ]
	[ "$before" = "$(find "$BANGER_STATE_DIR" -printf '%p %T@ %s\n' | sort | sha256sum)" ]
	run "$BANGER" vm start --wait 0 a
	[ "$status" -eq 1 ]
	[[ "$output" == *"in use"* ]]
	exec 8>&-
}

@test "power off from inside: the VM is stopped and can be started again" {
	"$BANGER" vm run -q -d --name a > /dev/null
	"$BANGER" vm exec a -- poweroff -f || true
	for _ in $(seq 300); do
		[ "$(state a)" = stopped ] && break
		sleep 0.1
	done
	[ "$(state a)" = stopped ]
	"$BANGER" vm start -q a
	"$BANGER" vm exec a -- true
}

@test "a host's disk that is full halts the machine: that is said, start lets it go on, and nothing is lost" {
	only_qemu
	[ "$(id -u)" = 0 ] || skip "needs root to make a small file system"
	mkdir -p -m 0700 "$BANGER_STATE_DIR/vms"
	mount -t tmpfs -o size=64M,mode=0700 vms "$BANGER_STATE_DIR/vms"
	"$BANGER" vm run -q -d --name a
	dd if=/dev/zero of="$BANGER_STATE_DIR/vms/.ballast" bs=1M 2> /dev/null || true
	"$BANGER" vm exec a -- sh -c 'head -c 20000000 /dev/urandom > /root/big; sync; sha256sum /root/big' > "$BATS_TEST_TMPDIR/first" 3>&- &
	for _ in $(seq 30); do
		run "$BANGER" vm ping -t 30s a
		[ "$status" -eq 0 ] || break
		sleep 0.5
	done
	[[ "$output" == *"'a' is halted: the host had no place"* ]]
	[[ "$output" == *"banger vm start a"* ]]
	rm "$BANGER_STATE_DIR/vms/.ballast"
	run "$BANGER" vm start a
	[ "$output" = "a: goes on: it had been halted" ]
	wait $!
	"$BANGER" vm exec a -- sha256sum /root/big > "$BATS_TEST_TMPDIR/second"
	cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/second"
	"$BANGER" vm delete -q a
}
