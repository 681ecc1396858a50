#!/bin/bash
# stats.sh - 100 VMs (without guests): `vm stats` in one call against ps and du for the same, the watcher's
# share of a core, and `vm list` with 1,000 VMs against cat of their records.  Prints ratios.
set -eu
cd "$(dirname "$0")/../.."
build=$PWD/${BUILD:-build}
banger=$build/banger
make -s "$build/tests/tools/stub_vmm"
world=$(mktemp -d)
export BANGER_STATE_DIR=$world/state BANGER_RUN_DIR HOME=$world BANGER_QEMU_BIN=$world/stub-vmm
BANGER_RUN_DIR=$(mktemp -d /tmp/bgr.XXXXXX)
export BANGER_IMAGE=small BANGER_KERNEL=fake BANGER_DISK_SIZE=16M BANGER_MEMORY=64M BANGER_VCPU=1
export STUB_VMM_BUILTINS=$world/builtins
unset BANGER_AUTO_WATCH BANGER_WATCH_DNS
export BANGER_NET=user

finish()
{
	"$banger" vm list -q | xargs -r "$banger" vm delete -q > /dev/null || true
	rm -rf "$world" "$BANGER_RUN_DIR"
}
trap finish EXIT

cp "$build/tests/tools/stub_vmm" "$world/stub-vmm"
mkdir -p "$world/tree" "$world/builtins" "$BANGER_STATE_DIR/kernels/fake"
chmod 0700 "$BANGER_STATE_DIR"
echo '{"memory_total_bytes":1000,"memory_available_bytes":400}' > "$world/builtins/stats"
echo content > "$world/tree/file"
"$banger" image import -q --name small --size 16M "$world/tree" > /dev/null
echo kernel > "$BANGER_STATE_DIR/kernels/fake/vmlinux"
echo initrd > "$BANGER_STATE_DIR/kernels/fake/initrd.img"
echo '{"version":1,"name":"fake","release":"6.1.0","arch":"'"$(dpkg --print-architecture)"'","source":"a test",
	"created":"2026-01-01T00:00:00Z","vmlinux_sha256":"00","vmlinux_bytes":7,"has_modules":false}' \
	> "$BANGER_STATE_DIR/kernels/fake/kernel.json"
for i in $(seq 100); do
	"$banger" vm create -q --name "vm-$i" > /dev/null 2>&1
done

# Milliseconds of CPU time of the command, the best of seven: other load on the host is left out.
cost()
{
	local best='' TIMEFORMAT='%3U %3S'

	for _ in 1 2 3 4 5 6 7; do
		{ time "$@" > /dev/null 2> /dev/null; } 2> "$world/time"
		best=$(awk -v best="$best" '{ t = ($1 + $2) * 1000; print (best == "" || t < best) ? t : best }' \
			"$world/time")
	done
	echo "$best"
}

# The same numbers with the usual tools, one VM after the other: process, threads, disks.
by_hand()
{
	local i pid

	for i in $(seq 100); do
		pid=$(sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' "$BANGER_STATE_DIR/vms/vm-$i/handles.json" | head -n 1)
		ps -L -o pid,lwp,time,pcpu,rss,etime -p "$pid"
		grep Pss: "/proc/$pid/smaps_rollup"
		du -s --block-size=1 "$BANGER_STATE_DIR/vms/vm-$i"
	done
}

# And in the fewest calls that these tools allow.
in_bulk()
{
	local files

	mapfile -t files < <(pgrep -x stub-vmm)
	(cd /proc && grep -h Pss: "${files[@]/%//smaps_rollup}")
	ps -L -C stub-vmm -o pid,lwp,time,pcpu,rss,etime
	du -s --block-size=1 "$BANGER_STATE_DIR"/vms/*
}

ours=$(cost "$banger" vm stats)
process_only=$(cost "$banger" vm stats --no-guest)
hand=$(cost by_hand)
bulk=$(cost in_bulk)
awk -v o="$ours" -v p="$process_only" -v h="$hand" -v b="$bulk" 'BEGIN {
	printf "stats of 100 VMs: %.0f ms of CPU time, %.2f x one ps, grep and du for all of them (%.0f ms) and %.2f x " \
		"for each of them (%.0f ms); without asking the guests %.0f ms\n", o, o / b, b, o / h, h, p }'

"$build/banger-watch" --interval 1s > /dev/null &
watch=$!
sleep 2
before=$(awk '{ print $14 + $15 }' "/proc/$watch/stat")
began=$EPOCHREALTIME
sleep 20
after=$(awk '{ print $14 + $15 }' "/proc/$watch/stat")
ended=$EPOCHREALTIME
rss=$(awk '/VmHWM/ { print $2 }' "/proc/$watch/status")
kill "$watch"
wait "$watch" || true
# Looked at every second, to have something to measure; the default is every 30 seconds.
awk -v t=$((after - before)) -v s="$began" -v e="$ended" -v r="$rss" -v hz="$(getconf CLK_TCK)" 'BEGIN {
	share = t / hz / (e - s) * 100
	printf "watcher with 100 idle VMs: %.3f %% of a core with a look every second, %.4f %% with the default " \
		"30 s; at most %d KiB\n", share, share / 30, r }'

"$banger" vm list -q | xargs "$banger" vm delete -q > /dev/null
for i in $(seq 1000); do
	echo "vm-$i"
done | xargs -P 2 -I {} "$banger" vm create -q --no-start --disk-mode copy --name {} > /dev/null 2>&1
list=$(cost "$banger" vm list)
filter=$(cost "$banger" vm list -q --filter state=running --sort touched)
top=$(cost "$banger" top)
plain=$(cost sh -c "cat '$BANGER_STATE_DIR'/vms/*/spec.json")
awk -v l="$list" -v f="$filter" -v t="$top" -v c="$plain" 'BEGIN {
	printf "1,000 VMs: list %.0f ms of CPU time, filtered and sorted %.0f ms, top %.0f ms; %.2f x cat of their records (%.0f ms)\n",
		l, f, t, l / c, c }'
