#!/usr/bin/env bats
# Last: after the whole suite the kernel holds what it held before.

bats_require_minimum_version 1.5.0

@test "loops, devices, links, rules, cgroups, mounts and processes are as before the suite" {
	[ -f "${LAB_WORLD:-}" ] || skip "LAB_WORLD names no picture of the world before the suite"
	after=$BATS_TEST_TMPDIR/world
	for _ in $(seq 10); do
		"$BATS_TEST_DIRNAME/world.sh" | sort > "$after"
		! diff -q "$LAB_WORLD" "$after" > /dev/null || break
		sleep 1
	done
	diff -u "$LAB_WORLD" "$after"
}
