#!/bin/bash
# host_work.sh [ROUNDS] - what create + start + delete cost the host besides the VMM: CPU and processes.
#
# For root with the device mapper, so on most machines in the lab (make lab-shell).  The VMM is not counted:
# it is no child that has ended.  Under emulation a millisecond means little, hence the ratio.
set -eu
cd "$(dirname "$0")/../.."
BANGER=${BANGER:-$PWD/build/banger}
rounds=${1:-5}
export BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1
if [ "$(id -u)" != 0 ] || [ ! -c /dev/mapper/control ]; then
	echo "host_work: skipped, needs root and the device mapper (make lab-shell)"
	exit 0
fi
"$BANGER" image show busybox > /dev/null 2>&1 ||
	{ echo "host_work: skipped, there is no image 'busybox'"; exit 0; }
work=$(mktemp -d)
cleanup()
{
	"$BANGER" vm delete -q bench > /dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

# The shell's own `time` counts children that have ended; the VMM goes on running and is not one.
cpu()
{
	local file=$1 TIMEFORMAT='%U %S'

	shift
	{ time "$@" > /dev/null 2>&1; } 2>&1 | awk '{ print ($1 + $2) * 1000 }' >> "$file"
}

median() { sort -n "$1" | sed -n "$((($(wc -l < "$1") + 1) / 2))p"; }

cpu "$work/warm" "$BANGER" version
for mode in dm copy; do
	for _ in $(seq "$rounds"); do
		cpu "$work/create.$mode" "$BANGER" vm create -q --no-start --name bench --disk-mode "$mode"
		cpu "$work/start.$mode" "$BANGER" vm start -q bench
		cpu "$work/delete.$mode" "$BANGER" vm delete -q bench
		cpu "$work/version" "$BANGER" version
	done
done
base=$(median "$work/version")
for mode in dm copy; do
	echo "$mode" "$(median "$work/create.$mode")" "$(median "$work/start.$mode")" \
		"$(median "$work/delete.$mode")" "$base" | awk '{
		printf "host work, %-4s: create %d ms, start %d ms, delete %d ms CPU; %.1f times three runs of banger version (%d ms)\n",
			$1, $2, $3, $4, ($2 + $3 + $4) / (3 * $5), 3 * $5 }'
done
"$BANGER" vm create -q --no-start --name bench --disk-mode dm > /dev/null
# strace follows the VMM as well, so it ends only when that does.
timeout 60 strace -qq -f -e trace=execve -e signal=none -o "$work/trace" "$BANGER" vm start -q bench \
	> /dev/null 2>&1 &
tracer=$!
for _ in $(seq 100); do
	[ "$("$BANGER" vm show bench | jq -r .state)" != running ] || break
	sleep 0.2
done
"$BANGER" vm kill -q bench
wait "$tracer" || true
echo "programs that a start runs: $(grep 'execve(.*= 0$' "$work/trace" | sed '1d; s/.*execve("\([^"]*\)".*/\1/' | xargs)"
