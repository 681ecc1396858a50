#!/bin/bash
# soak.sh - many processes do random things with a few VMs for a while, some of them are killed, and after
# every hundred operations all that must hold is looked at.  VMs without guests (tests/tools/stub_vmm.c).
#
#   SOAK_PROCESSES=20 SOAK_NAMES=30 SOAK_SECONDS=20 SOAK_SEED=N tests/crash/soak.sh
#
# In rounds: each process does its share of a hundred operations, then all pause and the check runs:
#   - observers answer, and a VM that nobody touched in the round is there with the id that it had;
#   - after 'gc' there are exactly the directories, socket directories and processes of the VMs that
#     are listed, no operation is under way, and what runs answers.
# A command that was not killed ends in time, by no signal, and with a sentence when it fails: one of those
# that follow from what the others do (EXPECTED).  At the end all is deleted and nothing is left.
# Prints TAP; the same seed chooses the same operations.
set -u
cd "$(dirname "$0")/../.." || exit 1
TOP=$PWD
# shellcheck source=tests/crash/world.bash
. tests/crash/world.bash
processes=${SOAK_PROCESSES:-20} names=${SOAK_NAMES:-30} seconds=${SOAK_SECONDS:-20}
seed=${SOAK_SEED:-$((RANDOM * 32768 + RANDOM))}
share=$(((100 + processes - 1) / processes))
world_begin "${BANGER:-$TOP/build/banger}"
export BANGER_LOG_FILE=$WORLD/soak.log
mkdir log
declare -a workers=()
# Nobody may go on in a world that has gone.
trap 'kill "${workers[@]}" 2> /dev/null; wait "${workers[@]}" 2> /dev/null; world_end' EXIT

# What may be said when others work on the same VMs.
EXPECTED="is a VM '[^']*' already|no VM '|is not running|does not run|is running|stopped while|has gone|\
was removed|is made by another|was just removed|is in use|no VM with that|is not there any more|\
the machine went away|ended before its agent|exists already|cannot shrink"

# ------------------------------------------------------------------------------- one process

chance() { [ $((RANDOM % 100)) -lt "$1" ]; }
# Of one length: none is the beginning of another, which would be taken for it.
any_name() { name=vm-$((RANDOM % names + 100)); }
# In each round only every third name is made and removed: the others must all be there afterwards.
some_name() { name=vm-$(((RANDOM % ((names + 2) / 3)) * 3 + round % 3 + 100)); }

# The command in $command, and in $touched the names that it may make or remove.
choose()
{
	local number=$((RANDOM % 100)) other

	touched=
	any_name
	if [ $number -lt 26 ]; then
		some_name
		command=(vm create -q --name "$name" --label "batch=$((RANDOM % 4))") touched=$name
		! chance 30 || command+=(--no-start)
	elif [ $number -lt 38 ]; then command=(vm start -q "$name")
	elif [ $number -lt 46 ]; then command=(vm stop -q "$name")
	elif [ $number -lt 49 ]; then command=(vm restart -q "$name")
	elif [ $number -lt 51 ]; then command=(vm kill -q "$name")
	elif [ $number -lt 60 ]; then command=(vm exec "$name" -- echo "$name")
	elif [ $number -lt 66 ]; then command=(vm set -q "$name" --label "x=$RANDOM")
	elif [ $number -lt 68 ]; then command=(vm set -q "$name" --memory "$((RANDOM % 64 + 64))M")
	elif [ $number -lt 70 ]; then command=(vm set -q "$name" --disk-size "$((RANDOM % 16 + 16))M")
	elif [ $number -lt 80 ]; then
		some_name
		command=(vm delete -q "$name") touched=$name
	elif [ $number -lt 82 ]; then
		some_name
		command=(vm run -q --rm --name "$name" -- echo "$name") touched=$name
	elif [ $number -lt 84 ]; then command=(vm reset -q "$name")
	elif [ $number -lt 86 ]; then
		some_name
		other=$name
		some_name
		command=(vm rename "$other" "$name") touched="$other $name"
	elif [ $number -lt 88 ]; then
		other=$name
		some_name
		command=(vm clone -q "$other" "$name") touched=$name
	# Only now and then, because afterwards nobody knows what was lost.
	elif [ $number -lt 90 ] && [ $((round % 4)) -eq 0 ]; then
		command=(vm prune -q -f --label "batch=$((RANDOM % 4))") touched=all
	elif [ $number -lt 93 ]; then command=(gc -q)
	elif [ $number -lt 94 ]; then command=(vm stop -q "$name" "vm-$((RANDOM % names + 100))")
	elif [ $number -lt 96 ]; then command=(vm show "$name")
	else command=(vm list --json)
	fi
}

# Let $command run; killed after a while, or not.  Answers are looked at where they are known.
perform()
{
	local log=log/$1.out status pid began ended signal=

	if chance 25; then
		signal=KILL
		! chance 20 || signal=TERM
		"$BANGER" "${command[@]}" > "$log" 2> "$log.err" < /dev/null &
		pid=$!
		sleep "0.0$(printf %03d $((RANDOM % 300)))"
		# Ended, or not waited for yet: the number is nobody else's.
		kill -$signal "$pid" 2> /dev/null
		wait "$pid" 2> /dev/null
		status=$?
	else
		began=${EPOCHREALTIME/./}
		timeout -s KILL 120 "$BANGER" "${command[@]}" > "$log" 2> "$log.err" < /dev/null
		status=$?
		ended=${EPOCHREALTIME/./}
		echo "$(((ended - began) / 1000)) ${command[*]:0:2}" >> "log/$1.times"
	fi
	echo "$status ${signal:-none} ${command[*]}" >> "log/$1.done"
	judge "$1" "$status" "$signal"
}

judge()
{
	local log=log/$1.out status=$2 signal=$3 said

	case $signal:$status in
	KILL:137 | TERM:143 | :0 | KILL:0 | TERM:0) ;;
	*:1 | *:125)
		said=$(grep -v 'waiting$' "$log.err")
		sed "s/'[^']*'/'N'/g; s/[0-9a-f]\{16,\}/I/g; s/[0-9]\+/#/g" "$log.err" >> "log/$1.faults"
		grep -Eq "$EXPECTED" <<< "$said" ||
			echo "${command[*]}: status $status: $said" >> "log/$1.bad"
		;;
	*) echo "${command[*]}: ${signal:-not killed}, status $status: $(cat "$log.err")" >> "log/$1.bad" ;;
	esac
	[ "$status" = 0 ] || return 0
	case "${command[*]}" in
	*" -- echo "*) grep -qx "$name" "$log" || echo "${command[*]}: $(cat "$log" "$log.err")" >> "log/$1.bad" ;;
	*" --json") jq -e 'type == "array"' "$log" > /dev/null || echo "list: $(cat "$log")" >> "log/$1.bad" ;;
	esac
}

worker()
{
	local done=0 name touched
	local -a command

	# Bash's generator is small: a stream of its own for each process and round.
	RANDOM=$(((seed + $1 * 7919 + round * 104729) % 32768))
	for ((; done < share; done++)); do
		choose
		echo "$touched" >> "log/$1.touched"
		perform "$1"
	done
}

# ------------------------------------------------------------------------------- what must hold

complain()
{
	printf '# round %d: %s\n' "$round" "$*"
	bad=$((bad + 1))
}

known() { "$BANGER" vm list --json | jq -r '.[] | .name + " " + .id' | sort; }

# What was there before the round and was touched by nobody is there.
check_nothing_lost()
{
	local lost

	known > after
	cat log/*.touched | tr ' ' '\n' | sort -u > touched
	grep -qx all touched || {
		lost=$(grep -vwFf <(grep . touched) before | comm -23 - after)
		[ -z "$lost" ] || complain "lost: $lost"
		lost=$(grep -vwFf <(grep . touched) after | comm -13 before -)
		[ -z "$lost" ] || complain "out of nowhere: $lost"
	}
}

check_world()
{
	local left

	timeout 120 "$BANGER" gc > out 2>&1 || complain "gc: $(cat out)"
	timeout 60 "$BANGER" vm list --json > list 2> out || complain "list: $(cat out)"
	left=$(jq -r '.[] | select(.fault != null or .operation != null or .under_way.verb != null) | .name' list)
	[ -z "$left" ] || complain "not at rest after gc: $left: $(jq -c '.[] | [.name, .fault, .under_way]' list)"
	left=$(diff <(jq -r '.[].name' list | sort) <(ls -A state/vms))
	[ -z "$left" ] || complain "directories: $left"
	jq -r '.[] | select(.state == "running") | .id[:8]' list | sort > running
	left=$(diff running <(ls -A run))
	[ -z "$left" ] || complain "sockets: $left"
	left=$(diff running <(pgrep -r R,S,D -a -f "^$WORLD/stub-vmm" | grep -o "path=$WORLD/run/[0-9a-f]*/qmp" |
		cut -d/ -f5 | sort))
	[ -z "$left" ] || complain "processes: $left"
	left=$(diff <(jq -r '.[] | select(.state == "running") | .name' list | sort) \
		<(pgrep -r R,S,D -a -f "internal-console $WORLD/" | sed 's:.*/::' | sort))
	[ -z "$left" ] || complain "console keepers: $left"
	left=$(find state \( -name '*.tmp-*' -o -name '.stage*' -o -name '.removed*' \) -print)
	[ -z "$left" ] || complain "files: $left"
	for left in $(jq -r '.[] | select(.state == "running") | .name' list | shuf -n 3); do
		timeout 60 "$BANGER" vm exec "$left" -- echo here > out 2>&1 || complain "exec $left: $(cat out)"
	done
}

check_processes()
{
	local file

	for file in log/*.bad; do
		[ -e "$file" ] || continue
		complain "$(cat "$file")"
		rm "$file"
	done
}

summary()
{
	local operations kills longest wait

	operations=$(cat log/*.done | wc -l)
	kills=$(grep -Ec '^(137|143) (KILL|TERM) ' <(cat log/*.done))
	longest=$(sort -rn log/*.times | head -n 1)
	wait=$(grep -o 'waited [0-9]* ms' "$BANGER_LOG_FILE" | sort -k 2 -rn | head -n 1)
	printf '%d processes, %d names, %d rounds, %d operations, %d killed, longest %s, %s for a lock, seed %d' \
		"$processes" "$names" "$round" "$operations" "$kills" "${longest/ / ms: }" "${wait:-no wait}" "$seed"
}

echo 1..1
bad=0 round=0
first=$(world_list)
end=$((SECONDS + seconds))
while [ "$SECONDS" -lt "$end" ]; do
	round=$((round + 1))
	rm -f log/*.touched
	known > before
	workers=()
	for ((p = 0; p < processes; p++)); do
		worker "$p" &
		workers+=("$!")
	done
	wait "${workers[@]}"
	check_processes
	check_nothing_lost
	check_world
	[ "$bad" -lt 20 ] || break
done
for left in $("$BANGER" vm list -q); do
	timeout 60 "$BANGER" vm delete -q --force "$left" > out 2>&1 || complain "delete: $(cat out)"
done
timeout 60 "$BANGER" gc > out 2>&1 || complain "gc: $(cat out)"
left=$(leaks "$first")
[ -z "$left" ] || complain "left: $left"
[ "${SOAK_FAULTS:-}" = "" ] || sort log/*.faults | uniq -c | sort -rn | sed 's/^/# /'
[ "$bad" -eq 0 ] && [ "$round" -gt 0 ] || printf 'not '
echo "ok 1 - $(summary)"
