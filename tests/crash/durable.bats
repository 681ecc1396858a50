#!/usr/bin/env bats
# What must survive a power loss is on the disk before its name is, and the name before banger says "done".
# VMs without guests.

load ../cli/helpers

setup()
{
	setup_stub
	needs strace
	! is_sanitized || skip "a sanitizer does not work under ptrace"
}
teardown() { teardown_stub; }

# Void after a reboot anyway, and written without waiting.
VOLATILE='^(handles\.json|op\.json|initrd\.img)$'

# Run banger and print what its renames lack in file 'lacks'; 'renames' counts them.
traced()
{
	strace -y -o trace -e trace=/rename,fsync,fdatasync,syncfs "$BANGER" "$@" > said 2>&1 3>&- || {
		cat said
		return 1
	}
	judge trace
}

judge()
{
	awk -v volatile="$VOLATILE" '
		function between(text, from, to,   rest) {
			rest = substr(text, index(text, from) + length(from))
			return substr(rest, 1, index(rest, to) - 1)
		}
		!/ = 0$/ { next }
		/^(fsync|fdatasync|syncfs)\(/ { synced[between($0, "<", ">")] = NR }
		/^rename/ {
			rest = $0
			from_dir = between(rest, "<", ">"); from = between(rest, "\"", "\"")
			sub(/^[^"]*"[^"]*", /, "", rest)
			to_dir = between(rest, "<", ">"); to = between(rest, "\"", "\"")
			if (to ~ volatile)
				next
			renames++
			# What is renamed away only to be removed need not be whole.
			if (to !~ /^\.removed-/ && from ~ /^\./ && !((from_dir "/" from) in synced))
				print to ": renamed before it was on the disk"
			waiting[to_dir] = NR
			last[to_dir] = to
		}
		END {
			for (dir in waiting)
				if (synced[dir] < waiting[dir])
					print last[dir] ": its directory " dir " was not written after the renaming"
			print renames + 0 > "renames"
		}' "$1" > lacks
}

durable()
{
	traced "$@"
	is "$(cat lacks)" ""
	[ "$(cat renames)" -ge 1 ]
	total=$((${total:-0} + $(cat renames)))
}

@test "a file is on the disk before it is renamed, and its directory afterwards" {
	. "$TOP/tests/fixtures/kernel.bash"
	make_root boot
	durable vm create -q --no-start --name a
	durable vm set -q a --memory 128M
	durable vm set -q a --disk-size 32M
	durable vm start -q a
	durable vm stop -q a
	durable vm reset -q a
	durable vm clone -q a c
	durable vm rename a b
	durable vm start -q b
	durable vm kill -q b
	durable vm delete -q b
	durable image import -q --name other --size 16M tree
	durable kernel import -q --name other boot
	durable image delete other
	durable kernel delete other
	echo "# $total renames looked at" >&3
	# The judge sees what is missing.
	printf '%s\n' 'renameat(9</s/vms/a>, ".spec.json.tmp-1", 9</s/vms/a>, "spec.json") = 0' > wrong
	judge wrong
	is "$(cat lacks)" "spec.json: renamed before it was on the disk
spec.json: its directory /s/vms/a was not written after the renaming"
}
