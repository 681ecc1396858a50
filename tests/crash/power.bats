#!/usr/bin/env bats
# Power goes while banger works: it is killed just after a system call, and the disk of its state directory
# is copied as the disk has it, without the pages that nobody had written by then.  The copy is mounted,
# which replays its journal, and banger finds the old state or the new one there.

load ../cli/helpers

setup()
{
	needs losetup
	needs mkfs.ext4
	[ "$(id -u)" -eq 0 ] || skip "mounting needs root"
	crash_at=$(dirname "$BANGER")/tests/tools/crash_at
	! is_sanitized || skip "a sanitizer does not work under ptrace"
	setup_stub
	mkdir disk
	truncate -s 1G base.img
	mkfs.ext4 -q -F -E lazy_itable_init=0,lazy_journal_init=0 base.img
	attach base.img || skip "loop devices cannot be mounted here"
	cp -a "$BANGER_STATE_DIR" disk/state
	detach
	export BANGER_STATE_DIR=$PWD/disk/state
}

teardown()
{
	mountpoint -q disk && umount disk
	teardown_stub
}

# Nothing is written back by itself in the time that a test takes.
attach() { mount -o loop,commit=900 "$1" disk; }

# Orderly; a process elsewhere may have the mount in a namespace of its own, and keep it for a while.
detach()
{
	sync -f disk
	umount disk
}

# A file of its own each time: a loop device that is still going keeps what it knows of the old one.
copy()
{
	rm -f "$2"
	cp --sparse=always "$1" "$2"
}

# What people see of the VMs and images, and that none of it is broken.
seen()
{
	"$BANGER" vm list --json > vms.json
	is "$(jq -r '.[] | select(.fault != null) | "\(.name): \(.fault)"' vms.json)" ""
	"$BANGER" image list --json > images.json
	is "$(jq -r '.[] | select(.fault != null) | "\(.name): \(.fault)"' images.json)" ""
	{
		jq -c '.[] | [.name, .spec.memory_bytes, .spec.disk_bytes]' vms.json
		jq -c '.[].name' images.json
	} | sort
}

# power_goes BEFORE... -- COMMAND...: COMMAND at a sample of its points, each in the state that BEFORE makes.
power_goes()
{
	local -a prepare=()
	local n total step old new found

	while [ "$1" != -- ]; do
		prepare+=("$1")
		shift
	done
	shift
	copy base.img start.img
	attach start.img
	[ ${#prepare[@]} -eq 0 ] || "$BANGER" "${prepare[@]}" > /dev/null
	old=$(seen)
	detach
	copy start.img run.img
	attach run.img
	total=$("$crash_at" count "$BANGER" "$@" 2> /dev/null | tail -n 1)
	new=$(seen)
	umount disk
	[ "$old" != "$new" ]
	step=$(((total + ${POWER_POINTS:-6} - 1) / ${POWER_POINTS:-6}))
	for ((n = 1; n <= total; n += step)); do
		copy start.img run.img
		attach run.img
		run "$crash_at" after "$n" "$BANGER" "$@"
		[ "$status" -eq 42 ] || [ "$n" -gt $((total * 3 / 4)) ]
		copy run.img lost.img
		umount disk
		attach lost.img
		"$BANGER" gc > /dev/null
		found=$(seen)
		[ "$found" = "$old" ] || [ "$found" = "$new" ] || {
			echo "$* point $n of $total: $found, neither $old nor $new"
			return 1
		}
		# It can be given again, or says that it is done.
		"$BANGER" "$@" > said 2>&1 || [ "$found" = "$new" ] || { cat said; return 1; }
		is "$(seen)" "$new"
		"$BANGER" gc > /dev/null
		is "$("$BANGER" gc)" "nothing to clean up"
		umount disk
		swept=$((${swept:-0} + 1))
	done
}

@test "power loss: what was being done is done or not done" {
	power_goes -- vm create -q --no-start --name web
	power_goes vm create -q --no-start --name web -- vm set -q web --memory 128M
	power_goes vm create -q --no-start --name web -- vm set -q web --disk-size 24M
	power_goes vm create -q --no-start --name web -- vm rename web shop
	power_goes vm create -q --no-start --name web -- vm clone web shop
	power_goes vm create -q --no-start --name web -- vm delete -q web
	power_goes -- image import -q --name other --size 16M tree
	power_goes image import -q --name other --size 16M tree -- image delete other
	echo "# $swept losses of power" >&3
}

@test "power loss after the end: what banger has said is true" {
	copy base.img run.img
	attach run.img
	"$BANGER" vm create -q --no-start --name web > /dev/null
	"$BANGER" vm set -q web --memory 128M
	"$BANGER" image import -q --name other --size 16M tree > /dev/null
	new=$(seen)
	copy run.img lost.img
	umount disk
	attach lost.img
	is "$(seen)" "$new"
	cmp tree/file <(debugfs -R 'cat /file' disk/state/images/other/rootfs.ext4 2> /dev/null)
	umount disk
}
