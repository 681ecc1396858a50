#!/bin/bash
# startup.sh - what starting banger costs: against git, a program of the same kind, in one run, and
# in system calls and children.  Prints figures; fails only when a command fails.
set -eu
cd "$(dirname "$0")/../.."
banger=$PWD/${BUILD:-build}/banger
world=$(mktemp -d)
trap 'rm -rf "$world"' EXIT
export BANGER_STATE_DIR=$world/state HOME=$world
mkdir -m 0700 "$BANGER_STATE_DIR" "$BANGER_STATE_DIR/vms"
echo 1 > "$BANGER_STATE_DIR/version"
for i in {1..1000}; do
	mkdir -m 0700 "$BANGER_STATE_DIR/vms/vm-$i"
done

# Milliseconds of one run of the command, the best of five rounds of twenty.
cost()
{
	local best='' i began ended

	for _ in 1 2 3 4 5; do
		began=$EPOCHREALTIME
		for i in {1..20}; do
			"$@" > /dev/null 2>&1
		done
		ended=$EPOCHREALTIME
		best=$(awk -v a="$began" -v b="$ended" -v best="$best" \
			'BEGIN { t = (b - a) * 50; print (best == "" || t < best) ? t : best }')
	done
	echo "$best"
}

report()
{
	local what=$1 ms calls children

	shift
	"$@" > /dev/null
	ms=$(cost "$@")
	strace -f -o "$world/trace" "$@" > /dev/null
	calls=$(wc -l < "$world/trace")
	children=$(grep -cE '(clone|clone3|fork|vfork)\(' "$world/trace" || true)
	awk -v what="$what" -v ms="$ms" -v base="$base" -v calls="$calls" -v children="$children" \
		'BEGIN { printf "%-34s %7.2f ms  %5.2f x git --version  %5d system calls  %d children\n",
			what, ms, ms / base, calls, children }'
}

base=$(cost git --version)
awk -v base="$base" 'BEGIN { printf "%-34s %7.2f ms\n", "git --version", base }'
report "banger --version" "$banger" --version
report "banger --help" "$banger" --help
report "completion of 1,000 VM names" "$banger" internal complete -- vm show ''
if "$banger" help vm list > /dev/null 2>&1; then
	report "banger vm list, 1,000 VMs" "$banger" vm list
fi
