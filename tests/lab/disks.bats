#!/usr/bin/env bats
# Root disks as snapshots by the device mapper, with guests that run under KVM.

load helpers

setup()
{
	lab_setup
	ROOTFS=/var/lib/banger/images/busybox/rootfs.ext4
	image_sum > "$BATS_TEST_TMPDIR/image"
}

# Nobody may have written it: its mode, its times and its bytes, without the holes.
image_sum()
{
	stat -c '%a %Y %Z %s %b' "$ROOTFS"
	tar -cSf - -C "$(dirname "$ROOTFS")" rootfs.ext4 | sha256sum
}

teardown()
{
	umount -q /var/lib/banger/vms || true
	lab_teardown && [ "$(image_sum)" = "$(cat "$BATS_TEST_TMPDIR/image")" ]
}

@test "a root disk is a snapshot; its data survive stop and start; reset drops it and keeps /root" {
	"$BANGER" vm run -q -d --name a --system-overlay-size 9G
	[ "$(field a .spec.disk_mode)" = dm ]
	[ "$(field a .handles.accel)" = kvm ]
	short=$(field a .id | cut -c 1-8)
	dmsetup table "banger-$short" | grep -q ' snapshot .* P 8$'
	[ "$(dmsetup table "banger-$short-base" | awk '{ print $3 }' | xargs)" = "linear zero" ]
	[ "$(losetup -n -O RO,AUTOCLEAR -j "$ROOTFS" | xargs)" = "1 1" ]
	[ "$(stat -c '%a %U' "/dev/mapper/banger-$short")" = "600 root" ]

	"$BANGER" vm exec a -- sh -c 'echo root > /in-root; echo work > /root/in-work; head -c 8388608 /dev/urandom > /big; sync'
	used=$(field a .cow_used_bytes)
	[ "$used" -gt $((8 << 20)) ]
	[ "$(field a .cow_used_percent)" = 1 ]
	[ "$("$BANGER" vm stats --json a | jq '.. | .cow_used_bytes? // empty' | head -n 1)" -ge "$used" ]
	run "$BANGER" vm reset a
	[ "$status" -eq 1 ]
	[[ "$output" == *"is running"*"--force a"* ]]

	"$BANGER" vm stop -q a
	[ -z "$(devices)" ]
	"$BANGER" vm start -q a
	[ "$("$BANGER" vm exec a -- cat /in-root /root/in-work | xargs)" = "root work" ]

	run "$BANGER" vm reset --force a
	[ "$output" = "a: reset" ]
	[ -z "$(devices)" ]
	"$BANGER" vm start -q a
	[ "$("$BANGER" vm exec a -- sh -c 'ls /in-root /big 2> /dev/null; cat /root/in-work')" = work ]
	"$BANGER" vm delete -q a
	[ -z "$(devices)" ]
}

@test "two VMs share an image, and neither sees what the other writes" {
	"$BANGER" vm create -q --name a
	"$BANGER" vm create -q --name b
	[ "$(losetup -n -j "$ROOTFS" | wc -l)" -eq 2 ]
	for name in a b; do
		"$BANGER" vm exec "$name" -- sh -c "echo $name > /mine; sync"
	done
	for name in a b; do
		[ "$("$BANGER" vm exec "$name" -- cat /mine)" = "$name" ]
	done
	"$BANGER" vm delete -q a
	[ "$("$BANGER" vm exec b -- cat /mine)" = b ]
}

@test "a host's disk that is full loses the root disk: show and start say so, reset repairs it" {
	mount -t tmpfs -o size=200M,mode=0700 vms /var/lib/banger/vms
	"$BANGER" vm run -q -d --name a --disk-size 16M
	# QEMU halts a machine whose work disk has no place; this one's has.
	fallocate -l 16M /var/lib/banger/vms/a/work.ext4
	[ "$(field a .root_fault)" = null ]
	dd if=/dev/zero of=/var/lib/banger/vms/.ballast bs=1M 2> /dev/null || true
	truncate -s -8M /var/lib/banger/vms/.ballast
	"$BANGER" vm exec --timeout 4m a -- sh -c 'head -c 67108864 /dev/urandom > /big; sync' 3>&- &
	for _ in $(seq 400); do
		[ "$(field a .root_fault)" = null ] || break
		sleep 0.2
	done
	kill $!
	wait $! || true
	[[ "$(field a .root_fault)" == *"vm reset a"* ]]
	[[ "$("$BANGER" vm stats --json a)" == *"vm reset a"* ]]
	"$BANGER" vm kill -q a
	rm /var/lib/banger/vms/.ballast
	[[ "$(field a .root_fault)" == *"vm reset a"* ]]
	run "$BANGER" vm start a
	[ "$status" -eq 1 ]
	[[ "$output" == *"lost"*"hint: "*"banger vm reset a"* ]]
	[ -z "$(devices)" ]
	"$BANGER" vm reset -q a
	[ "$(field a .root_fault)" = null ]
	"$BANGER" vm start -q a
	"$BANGER" vm delete -q a
	umount /var/lib/banger/vms
}

@test "killed at any moment of a start, it leaves nothing that delete does not find" {
	local n=1 killed=0 status

	modprobe -a dm_snapshot dm_zero # which takes no calls of ours then
	while :; do
		"$BANGER" vm create -q --no-start --name a --system-overlay-size 9G > /dev/null
		status=0
		strace -qq -o /dev/null -P /dev/mapper/control -P /dev/loop-control -P /dev/loop0 \
			-P /dev/loop1 -P /dev/loop2 -e trace=ioctl \
			-e inject=ioctl:signal=KILL:when="$n" "$BANGER" vm start -q a || status=$?
		[ $((n % 4)) -eq 1 ] || rm -f /var/lib/banger/vms/a/handles.json
		[ $((n % 3)) -ne 0 ] || rm -f /var/lib/banger/vms/a/spec.json
		"$BANGER" vm delete -q a
		[ -z "$(devices)" ]
		[ "$status" -ne 0 ] || break
		killed=$((killed + 1)) n=$((n + 2))
	done
	echo "killed at $killed calls"
	[ "$killed" -ge 5 ]
}

@test "a device that somebody has open is removed when they close it" {
	"$BANGER" vm create -q --name a
	device=/dev/mapper/banger-$(field a .id | cut -c 1-8)
	sleep 100 < "$device" 3>&- &
	holder=$!
	run "$BANGER" vm kill a
	[ "$status" -eq 0 ]
	run "$BANGER" vm start a
	[ "$status" -eq 1 ]
	[[ "$output" == *"there is a device"* ]]
	run "$BANGER" vm reset a
	[ "$status" -eq 1 ]
	[[ "$output" == *"still has the root disk"* ]]
	kill "$holder"
	wait "$holder" || true
	for _ in $(seq 50); do
		[ -n "$(devices)" ] || break
		sleep 0.1
	done
	[ -z "$(devices)" ]
	"$BANGER" vm start -q a
}

@test "with handles.json and spec.json lost everything is found again" {
	for lost in handles.json spec.json "handles.json spec.json"; do
		"$BANGER" vm create -q --name a > /dev/null
		[ -n "$(devices)" ]
		for file in $lost; do
			rm "/var/lib/banger/vms/a/$file"
		done
		"$BANGER" vm delete -q a
		[ -z "$(devices)" ]
	done
}

@test "gc removes the devices of a VM whose directory is gone, or which lost its records and its VMM" {
	"$BANGER" gc > /dev/null # what other tests have left of VMs that lost their records
	"$BANGER" vm create -q --name a --system-overlay-size 9G
	"$BANGER" vm create -q --name b
	pid=$(field a .handles.vmm.pid)
	[ "$("$BANGER" gc)" = "nothing to clean up" ]
	[ "$(dmsetup info -c --noheadings -o uuid "banger-$(field a .id | cut -c 1-8)" | cut -d . -f 2)" = \
		"$(stat -c '%D %i' /var/lib/banger | xargs printf '%s-%x')" ]
	kill -KILL "$pid"
	rm -r /var/lib/banger/vms/a
	"$BANGER" gc --dry-run --json | jq -e '[.items[] | select(.kind == "root disk" and .action == "remove")] | length == 2'
	"$BANGER" gc --json | jq -e '[.items[] | select(.error)] == []'
	[ "$(devices | grep -c '^banger-')" -eq 1 ]
	[ "$("$BANGER" gc)" = "nothing to clean up" ]
	[ "$("$BANGER" vm exec b -- echo here)" = here ]

	pid=$(field b .handles.vmm.pid) short=$(field b .id | cut -c 1-8)
	kill -KILL "$pid"
	while [ -e "/proc/$pid" ]; do sleep 0.1; done
	rm -r /var/lib/banger/vms/b/handles.json /var/lib/banger/vms/b/initrd.img "/run/banger/$short"
	rm -rf /var/lib/banger/vms/b/forward.log /var/lib/banger/vms/b/jail
	# Whatever is seen first takes the rest along.
	"$BANGER" gc --json | jq -e '[.items[] | select(.action == "tear down" and .done)] | length == 1'
	[ -z "$(devices)" ]
}

@test "a copied state directory with the same ids does not take the other's device away" {
	"$BANGER" vm create -q --name a
	device=banger-$(field a .id | cut -c 1-8)
	mkdir -m 0700 "$BATS_TEST_TMPDIR/copy"
	cp -a --sparse=always /var/lib/banger/version /var/lib/banger/kernels /var/lib/banger/images \
		/var/lib/banger/vms "$BATS_TEST_TMPDIR/copy/"
	rm "$BATS_TEST_TMPDIR/copy/vms/a/handles.json"
	export BANGER_STATE_DIR=$BATS_TEST_TMPDIR/copy BANGER_RUN_DIR=$BATS_TEST_TMPDIR/run
	"$BANGER" gc > /dev/null 2>&1 || true # of its own files it may do with what it wants
	dmsetup info "$device" | grep -q '^State: *ACTIVE'
	run "$BANGER" vm start a
	[ "$status" -eq 1 ]
	[[ "$output" == *"another state directory"* ]]
	"$BANGER" vm delete -q a
	unset BANGER_STATE_DIR BANGER_RUN_DIR
	dmsetup info "$device" | grep -q '^State: *ACTIVE'
	[ "$(field a .state)" = running ]
}

@test "a forced disk mode is kept or refused, and every mode can be reset" {
	run "$BANGER" vm create --no-start --name a --disk-mode reflink
	[ "$status" -eq 1 ]
	[[ "$output" == *"reflink"* ]]
	run setpriv --reuid=65534 --regid=65534 --clear-groups env HOME=/tmp \
		"$BANGER" --state-dir /tmp/nobody vm create --no-start --name a --disk-mode dm --image busybox
	[ "$status" -eq 1 ]
	[[ "$output" == *"only root"* ]]
	rm -rf /tmp/nobody
	for mode in copy qcow2 dm; do
		"$BANGER" vm create -q --no-start --name "$mode" --disk-mode "$mode" > /dev/null
		[ "$(field "$mode" .spec.disk_mode)" = "$mode" ]
		dir=/var/lib/banger/vms/$mode
		before=$(stat -c %i "$dir"/root.*)
		work=$(stat -c '%i %Y' "$dir/work.ext4")
		"$BANGER" vm reset -q "$mode"
		[ "$(stat -c %i "$dir"/root.*)" != "$before" ]
		[ "$(stat -c '%i %Y' "$dir/work.ext4")" = "$work" ]
		[ "$(field "$mode" .state)" = created ]
	done
	"$BANGER" vm create -q --no-start --name auto > /dev/null
	[ "$(field auto .spec.disk_mode)" = dm ]
}
