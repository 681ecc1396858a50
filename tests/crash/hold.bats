#!/usr/bin/env bats
# What must hold of processes, locks and signals.  VMs without guests.

load ../cli/helpers

setup() { setup_stub; }
teardown()
{
	[ -z "${frozen:-}" ] || kill -KILL "$frozen" 2> /dev/null || true
	[ -z "${decoy:-}" ] || kill "$decoy" 2> /dev/null || true
	teardown_stub
}

state_of() { "$BANGER" vm show "$1" | jq -r .state; }

# Process $1 into the handles of VM a, with start ticks $2 and boot id $3.
pretend()
{
	jq ".vmm.pid = $1 | .vmm.start_ticks = $2 | .vmm.boot_id = \"$3\"" "$BANGER_STATE_DIR/vms/a/handles.json" \
		> handles
	cat handles > "$BANGER_STATE_DIR/vms/a/handles.json"
}

@test "a number that somebody else has now is never signalled, after a reboot neither" {
	sleep 60 3>&- &
	decoy=$!
	boot=$(cat /proc/sys/kernel/random/boot_id)
	ticks=$(sed 's/.*) //' "/proc/$decoy/stat" | cut -d ' ' -f 20)
	"$BANGER" vm create -q --no-start --name a
	for number in "$((ticks - 1)) $boot" "$ticks 00000000-0000-4000-8000-000000000000"; do
		for command in "vm stop a" "vm kill a" "vm restart -q a" "vm start -q a" "vm delete -q a" "gc -q"; do
			[ -e "$BANGER_STATE_DIR/vms/a" ] || "$BANGER" vm create -q --no-start --name a
			"$BANGER" vm start -q a 2> /dev/null || true
			kill -KILL "$(vmms)"
			nothing_runs
			# shellcheck disable=SC2086 # two words
			pretend "$decoy" $number
			is "$(state_of a)" stopped
			# shellcheck disable=SC2086 # several words
			"$BANGER" $command || [ "$command" = "vm stop a" ] || [ "$command" = "vm kill a" ]
			kill -0 "$decoy"
			[ ! -e "$BANGER_STATE_DIR/vms/a" ] || "$BANGER" vm delete -q a
		done
	done
	kill "$decoy"
	wait "$decoy" || is "$?" 143
	decoy=
	nothing_is_left
}

@test "observers answer while every lock is held, also where nothing can be written; the time of list" {
	local observers=("vm list" "vm show v1" "vm stats" "vm logs v1" "vm events v1" "image list" "kernel list"
		"system df" "doctor -q" "gc --dry-run" "vm health" "config" "internal complete -- vm start") lock
	for i in $(seq 40); do
		"$BANGER" vm create -q --no-start --name "v$i" > /dev/null
	done
	"$BANGER" vm start -q v1
	began=${EPOCHREALTIME/./}
	"$BANGER" vm list -q > free
	free=$((${EPOCHREALTIME/./} - began))
	exec {lock}< /dev/null
	while read -r path; do
		exec {lock}< "$path"
		flock -n "$lock" || return 1
	done < <(find "$BANGER_STATE_DIR" -name '*lock')
	began=${EPOCHREALTIME/./}
	"$BANGER" vm list -q > held
	held=$((${EPOCHREALTIME/./} - began))
	diff free held
	echo "# vm list of 40 VMs: $free us, and $held us with all locks held" >&3
	for looking in "${observers[@]}"; do
		# shellcheck disable=SC2086 # several words
		timeout 30 "$BANGER" $looking > out 2>&1 || [[ $looking == doctor* || $looking == "vm health" ]] ||
			{ echo "$looking: $(cat out)"; return 1; }
		has_not "$(cat out)" "in use"
	done
	if [ "$(id -u)" -eq 0 ] && unshare -m true 2> /dev/null; then
		unshare -m bash -e -c 'mount --bind "$BANGER_STATE_DIR" "$BANGER_STATE_DIR"
			mount -o remount,ro,bind "$BANGER_STATE_DIR"
			"$BANGER" vm list -q > held' 3>&-
		diff free held
	fi
	run "$BANGER" vm set v2 --label x=y --wait 0
	is "$status" 1
	has "$output" "in use"
}

# The stand-in does not answer, so that stop would wait long.
@test "Ctrl-C ends a stop that waits, with 130, and a second one does no harm" {
	local again once=(timeout --preserve-status -s INT 1)

	for again in "" "timeout --preserve-status -s INT 1.1"; do
		"$BANGER" vm create -q --name a
		frozen=$(vmms)
		kill -STOP "$frozen"
		# shellcheck disable=SC2086 # several words, or none
		run $again "${once[@]}" "$BANGER" vm stop a
		is "$status" 130
		echo "$output"
		kill -CONT "$frozen"
		is "$("$BANGER" vm exec a -- echo here)" here
		is "$("$BANGER" vm show a | jq -c '[.state, .operation]')" '["running",null]'
		"$BANGER" vm delete -q a
		frozen=
		nothing_is_left
	done
}
