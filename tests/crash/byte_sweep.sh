#!/bin/bash
# byte_sweep.sh - every file of the state directory cut at any byte, with bits turned and bytes put in and
# taken out, and commands on each such mutant, with the sanitized program when it is built.
#
# No command crashes or hangs; those that fail say why; what a mutant does not concern works as before, and
# a mutant of a VM can be deleted, after which nothing is left of it.  CRASH_POINTS=0: every byte of each
# file is cut at and changed once; else CRASH_MUTANTS (150) in all.  CRASH_SEED chooses them.  Prints TAP.
set -u
cd "$(dirname "$0")/../.." || exit 1
TOP=$PWD
# shellcheck source=tests/crash/world.bash
. tests/crash/world.bash
world_begin "${BANGER:-$TOP/build/banger}"
TESTED=$(dirname "$BANGER")/asan/banger
[ -x "$TESTED" ] || TESTED=$BANGER
export ASAN_OPTIONS=exitcode=99:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
seed=${CRASH_SEED:-$((RANDOM))}
RANDOM=$seed
mutants=${CRASH_MUTANTS:-150}

# Files of the stopped VM a, of the running VM a, and those of all.
# shellcheck disable=SC2034 # used by name
declare -a stopped=(state/vms/a/spec.json state/vms/a/spec.json state/vms/a/events.jsonl) \
	running=(state/vms/a/spec.json state/vms/a/handles.json state/vms/a/handles.json) \
	common=(state/images/small/image.json state/kernels/fake/kernel.json state/version)

complain()
{
	printf '# %s %s at %s (seed %s): %s\n' "$file" "$how" "$at" "$seed" "$*"
	bad=$((bad + 1))
}

# Bytes of $1: up to $2, then the words after it as bytes, then from $3 on.
splice()
{
	local from=$1 before=$2 after=$3

	shift 3
	{
		head -c "$before" "$from"
		[ $# -eq 0 ] || printf "$(printf '\\x%02x' "$@")"
		tail -c "+$((after + 1))" "$from"
	} > mutant
	cat mutant > "$from"
}

mutate()
{
	local byte

	byte=$(od -An -tu1 -j "$at" -N 1 "$file" | tr -d ' ')
	case $how in
	cut) truncate -s "$at" "$file" ;;
	bit) splice "$file" "$at" "$((at + 1))" "$((byte ^ (1 << (RANDOM % 8))))" ;;
	byte) splice "$file" "$at" "$((at + 1))" "$((RANDOM % 256))" ;;
	without) splice "$file" "$at" "$((at + 1 + RANDOM % 8))" ;;
	with) splice "$file" "$at" "$at" "$((RANDOM % 256))" "$((RANDOM % 256))" ;;
	quote) splice "$file" "$at" "$at" 34 44 ;;
	esac
}

# Run a command; it may fail, but not anyhow.
try()
{
	local status

	timeout 60 "$TESTED" "$@" > out 2>&1 < /dev/null
	status=$?
	case $status in
	0) return 0 ;;
	[12] | 125)
		grep -q '^banger: .' out || [ "$2" = health ] || complain "$*: no sentence: $(cat out)"
		return 1
		;;
	esac
	complain "$*: status $status: $(cat out)"
	return 1
}

some_commands()
{
	local -a commands=("vm set a --label x=y" "vm start -q a" "vm stop -q a" "vm kill -q a" "vm events a"
		"vm logs a" "vm reset -q --force a" "vm rename a c" "vm clone a c" "vm stats a" "gc --dry-run"
		"vm exec a -- echo here" "vm health a" "vm set a --memory 128M" "vm restart -q a" "vm list --json"
		"image list" "kernel list" "image show small" "system df" "vm prune --dry-run" "internal complete -- vm start ''")
	for _ in 1 2; do
		# shellcheck disable=SC2086 # words
		try ${commands[RANDOM % ${#commands[@]}]}
	done
}

# A mutant of VM a, beside VM b.
check_vm()
{
	local name

	try vm list || complain "list: $(cat out)"
	grep -q '^b .*running' out || complain "the other VM: $(cat out)"
	try vm show a
	some_commands
	for name in a c; do
		[ ! -e "state/vms/$name" ] || try vm delete -q "$name" || complain "delete: $(cat out)"
	done
	try gc || complain "gc: $(cat out)"
	left=$(diff <(echo "$first") <(world_now))
	[ -z "$left" ] && return
	complain "left: $left"
	start_over
}

# A mutant of something else: what runs goes on.
check_common()
{
	some_commands
	try vm list || grep -q 'version\|layout' out || complain "list: $(cat out)"
	try vm show b
	some_commands
	cp saved.file "$file"
	"$BANGER" vm exec b -- echo here > out 2>&1 || complain "exec b: $(cat out)"
	[ ! -e state/vms/c ] || "$BANGER" vm delete -q c
}

# Processes, files and sockets; b's logs grow.
world_now()
{
	ours | wc -l
	world_list | grep -v '/\.\?events\|/b/'
}

start_over()
{
	# shellcheck disable=SC2046 # numbers
	kill -KILL $(ours) 2> /dev/null
	rm -rf state run
	cp -a saved state
	mkdir -m 0700 run
	begin
}

begin()
{
	"$BANGER" vm create -q --name b > out 2>&1 && "$BANGER" vm exec b -- echo here > out 2>&1 ||
		echo "Bail out! $(cat out)"
	first=$(world_now)
}

# $1: stopped, running or common
one_mutant()
{
	tried=$((tried + 1))
	cp "$file" saved.file
	mutate
	if [ "$1" = common ]; then
		check_common
	else
		check_vm
	fi
}

prepare()
{
	case $1 in
	stopped) "$BANGER" vm create -q --no-start --name a > out 2>&1 || complain "create: $(cat out)" ;;
	running) "$BANGER" vm create -q --name a > out 2>&1 || complain "create: $(cat out)" ;;
	*) [ -e state/vms/a ] || "$BANGER" vm create -q --no-start --name a > out 2>&1 ;;
	esac
}

sweep()
{
	local set=$1 file how at size tried=0 bad=0 left first began=$SECONDS kinds=(cut bit byte without with quote)
	local -n files=$1

	begin
	if [ "${CRASH_POINTS:-1}" = 0 ]; then
		for file in $(printf '%s\n' "${files[@]}" | sort -u); do
			for ((at = 0; at < $(prepare "$set"; stat -c %s "$file"); at++)); do
				for how in cut "${kinds[1 + at % 5]}"; do
					prepare "$set"
					one_mutant "$set"
				done
			done
		done
	else
		while [ $tried -lt $((mutants / 3)) ]; do
			prepare "$set"
			file=${files[tried % ${#files[@]}]}
			size=$(stat -c %s "$file")
			at=$(((RANDOM * 32768 + RANDOM) % size)) how=${kinds[RANDOM % ${#kinds[@]}]}
			one_mutant "$set"
		done
	fi
	"$BANGER" vm delete -q a > /dev/null 2>&1
	"$BANGER" vm delete -q b
	[ "$bad" -eq 0 ] && [ "$tried" -gt 0 ] || printf 'not '
	echo "ok $number - $set: $tried mutants, $bad bad, seed $seed, $((SECONDS - began)) s"
}

echo 1..3
rm -f out
cp -a state saved
number=0
for set_name in stopped running common; do
	number=$((number + 1))
	sweep "$set_name"
done
