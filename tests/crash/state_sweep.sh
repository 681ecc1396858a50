#!/bin/bash
# state_sweep.sh - every file of a small state directory missing, empty, cut, full of garbage, from a newer
# version, or a directory instead: list and show tell about that VM and all others normally, 'delete' works,
# and nothing is left behind.
#
# CRASH_POINTS=0 cuts at every 16th byte, else each file is cut twice.  Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
TOP=$PWD
# shellcheck source=tests/crash/world.bash
. tests/crash/world.bash
world_begin "${BANGER:-$TOP/build/banger}"

mutations()
{
	local size=$1 at

	printf '%s\n' missing empty garbage newer directory fifo
	if [ "${CRASH_POINTS:-1}" = 0 ]; then
		for ((at = 1; at < size && at < 4096; at += 16)); do
			echo "cut-$at"
		done
	else
		echo "cut-$((size / 3))" "cut-$((size - 2))" | tr ' ' '\n'
	fi
}

mutate()
{
	local file=$1

	case $2 in
	missing) rm -f "$file" ;;
	empty) : > "$file" ;;
	garbage) head -c 300 /dev/urandom > "$file" ;;
	newer) sed -i 's/"version": *1/"version": 999/' "$file" ;;
	directory) rm -f "$file" && mkdir "$file" && touch "$file/x" ;;
	fifo) rm -f "$file" && mkfifo "$file" ;;
	cut-*) truncate -s "${2#cut-}" "$file" ;;
	esac
}

complain()
{
	printf '# %s %s: %s\n' "$file" "$how" "$*"
	bad=$((bad + 1))
}

try()
{
	timeout 20 "$BANGER" "$@" > out 2>&1
}

check()
{
	local status

	tried=$((tried + 1))
	try vm list || complain "list: $(cat out)"
	grep -q '^b .*running' out || complain "the other VM: $(cat out)"
	try vm show b || complain "show b: $(cat out)"
	try vm show a || grep -q '^banger: ' out || complain "show a: $(cat out)"
	for command in "vm events a" "vm logs a" "vm set a --label x=y" "vm start -q a" "gc --dry-run" "vm stop -q a"; do
		# shellcheck disable=SC2086 # words
		try $command
		status=$?
		[ "$status" -le 1 ] || complain "$command: status $status: $(cat out)"
	done
	try vm delete -q a || complain "delete: $(cat out)"
	try gc || complain "gc: $(cat out)"
	try vm exec b -- echo here || complain "exec b: $(cat out)"
}

sweep()
{
	local file how bad=0 tried=0 left first began=$SECONDS state=$1

	"$BANGER" vm create -q --name b > out
	"$BANGER" vm exec b -- echo here > out
	first=$(world_list | grep -v '/\.\?events\|/b/')
	shift
	for file in "$@"; do
		for how in $(mutations 400); do
			# Nobody can lock a directory, and nobody makes one there.
			[ "$file $how" != "lock directory" ] || continue
			"$BANGER" vm create -q --no-start --name a > out || complain "create"
			[ "$state" = stopped ] || "$BANGER" vm start -q a
			[ -e "state/vms/a/$file" ] || continue 2
			mutate "state/vms/a/$file" "$how"
			check
			left=$(diff <(echo "$first") <(world_list | grep -v '/\.\?events\|/b/') | grep '^[<>]')
			[ -z "$left" ] || complain "left: $left"
		done
	done
	"$BANGER" vm delete -q b
	[ "$bad" -eq 0 ] && [ "$tried" -gt 0 ] || printf 'not '
	echo "ok $number - $state: $tried mutants, $bad bad, $((SECONDS - began)) s"
}

echo 1..2
number=1
sweep stopped spec.json lock root.img work.ext4 events.jsonl known_hosts ssh_host_ed25519_key
"$BANGER" vm delete -q a 2> /dev/null
number=2
sweep running spec.json handles.json initrd.img console.log vmm.log lock
