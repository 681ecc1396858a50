# Life cycles by the hundred, with a stand-in for QEMU (tests/tools/stub_vmm.c): crashes at random
# moments, many processes at once, few descriptors, a full disk.

load helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

# Run the command after $1 and kill it with SIGKILL after a random time of at most $1 milliseconds.
crash()
{
	local pid max=$1

	shift
	"$@" > /dev/null 2>&1 3>&- &
	pid=$!
	sleep "0.0$(printf %03d $((RANDOM * max / 32768)))"
	kill -KILL "$pid" 2> /dev/null || true
	wait "$pid" 2> /dev/null || true
}

@test "a life cycle without crashes" {
	run --separate-stderr "$BANGER" vm run -q --name a -- echo hello
	is "$status" 0
	is "$output" hello
	run "$BANGER" vm exec a -- exit 7
	is "$status" 7
	run "$BANGER" vm stop a
	is "$output" "a: stopped"
	"$BANGER" vm start -q a
	run "$BANGER" vm run -q --rm --name b -- exit 3
	is "$status" 3
	run "$BANGER" vm delete a
	is "$output" "a: deleted"
	nothing_is_left
}

@test "SIGKILL at 100 random moments: nothing is lost, nothing leaks" {
	for i in $(seq 20); do
		crash 30 "$BANGER" vm create -q --name a
		crash 20 "$BANGER" vm start -q a
		"$BANGER" vm list > /dev/null
		crash 20 "$BANGER" vm stop -q a
		crash 30 "$BANGER" vm run -q --name b -- echo hello
		crash 10 "$BANGER" vm delete -q a b
		# Whatever is there still works, or is free to be made.
		"$BANGER" vm create -q --no-start --name a > /dev/null 2>&1 || true
		"$BANGER" vm start -q a
		is "$("$BANGER" vm exec a -- echo "round $i")" "round $i"
		[ "$(vmms | wc -l)" -le 2 ]
		"$BANGER" vm delete -q a
		"$BANGER" vm delete -q b 2> /dev/null || true
		nothing_is_left
	done
}

@test "200 VMs made and removed by 20 processes at once: none is lost" {
	# Bare waits would also wait for bats' own watchdog.
	local -a pids=()
	worker()
	{
		for i in 1 2 3 4 5 6 7 8 9 10; do
			"$BANGER" vm create -q || echo "worker $1: create $i failed"
		done
	}
	for p in $(seq 20); do
		worker "$p" > "made.$p" 2>&1 3>&- &
		pids+=("$!")
	done
	wait "${pids[@]}"
	is "$(cat made.* | grep -cvE '^[a-z]+-[a-z]+(-[0-9a-f]+)?$')" 0
	is "$(cat made.* | sort -u | wc -l)" 200
	is "$("$BANGER" vm list -q | sort)" "$(cat made.* | sort)"
	is "$("$BANGER" vm list --json | jq -r '.[].state' | sort | uniq -c | tr -s ' ')" " 200 running"
	is "$(vmms | wc -l)" 200
	# shellcheck disable=SC2046 # names have no blanks
	"$BANGER" vm stop -q $(cat made.1 made.2)
	is "$(vmms | wc -l)" 180
	pids=()
	for p in $(seq 20); do
		# shellcheck disable=SC2046
		"$BANGER" vm delete -q $(cat "made.$p") > "deleted.$p" 2>&1 3>&- &
		pids+=("$!")
	done
	wait "${pids[@]}" || true
	is "$(cat deleted.*)" ""
	nothing_is_left
}

@test "only the VM's own process is taken for it" {
	"$BANGER" vm create -q --name a > /dev/null
	id=$("$BANGER" vm show a | jq -r .id)
	run_dir=$BANGER_RUN_DIR/${id:0:8}
	kill -KILL "$(vmms)"
	nothing_runs
	# What people look at is no VM.
	sh -c 'sleep 60; :' x "$run_dir/qmp" "$BANGER_STATE_DIR/vms/a/initrd.img" \
		"UNIX-CONNECT:$run_dir/qmp" 3>&- &
	decoy=$!
	is "$("$BANGER" vm show a | jq -r .state)" stopped
	"$BANGER" vm start -q a
	is "$(vmms | wc -l)" 1
	rm "$BANGER_STATE_DIR/vms/a/handles.json"
	"$BANGER" vm delete -q a
	kill "$decoy"
	wait "$decoy" || is "$?" 143
	nothing_is_left
}

@test "a copy of the state directory does not touch the VMs of the original" {
	"$BANGER" vm create -q --name a > /dev/null
	vmm=$(vmms)
	cp -a "$BANGER_STATE_DIR" copy
	rm copy/vms/a/handles.json copy/vms/a/initrd.img
	is "$("$BANGER" --state-dir copy vm show a | jq -r .state)" stopped
	run "$BANGER" --state-dir copy vm start a
	is "$status" 1
	has "$output" "another state directory"
	"$BANGER" --state-dir copy vm delete -q a
	is "$(vmms)" "$vmm"
	is "$("$BANGER" vm exec a -- echo here)" here
	# Nor with what the copy says of the process.
	rm -rf copy
	cp -a "$BANGER_STATE_DIR" copy
	is "$("$BANGER" --state-dir copy vm show a | jq -r .state)" stopped
	"$BANGER" --state-dir copy vm delete -q a
	is "$(vmms)" "$vmm"
	is "$("$BANGER" vm exec a -- echo here)" here
	"$BANGER" vm delete -q a
	nothing_is_left
}

@test "a VM is found whatever the spelling of the state directory and wherever sockets are now" {
	"$BANGER" vm create -q --name a > /dev/null
	ln -s . link
	elsewhere=$BATS_TEST_TMPDIR/elsewhere
	is "$(BANGER_STATE_DIR=link/./state/ "$BANGER" vm show a | jq -r .state)" running
	is "$(BANGER_RUN_DIR=$elsewhere "$BANGER" vm exec a -- echo here)" here
	rm "$BANGER_STATE_DIR/vms/a/handles.json"
	is "$(BANGER_RUN_DIR=$elsewhere "$BANGER" vm show a | jq -r .state)" running
	BANGER_RUN_DIR=$elsewhere "$BANGER" vm delete -q a
	nothing_runs
	rm -rf "${BANGER_RUN_DIR:?}"/*
	"$BANGER" vm create -q --name a > /dev/null
	BANGER_RUN_DIR=$elsewhere "$BANGER" vm restart -q a
	is "$(ls -A "$BANGER_RUN_DIR")" ""
	"$BANGER" vm delete -q a
	is "$(ls -A "$elsewhere")" ""
	nothing_is_left
}

@test "with few descriptors nothing is taken for gone" {
	"$BANGER" vm create -q --name a > /dev/null
	for few in $(seq 4 24); do
		(ulimit -n "$few"; exec "$BANGER" vm start a b c) > /dev/null 2>&1 3>&- || true
		is "$(vmms | wc -l)" 1
	done
	for few in $(seq 4 24); do
		(ulimit -n "$few"; exec "$BANGER" vm delete a) > out 2>&1 3>&- && break
		# Either it is all there, or no VM goes on without its files.
		[ -e "$BANGER_STATE_DIR/vms/a/spec.json" ] || is "$(vmms)" ""
	done
	"$BANGER" vm delete -q a 2> /dev/null || true
	nothing_is_left
}

@test "a file size limit ends in a sentence, not in a signal" {
	run bash -c 'ulimit -f 8; exec "$BANGER" vm create -q --no-start --name a'
	is "$status" 1
	has "$output" "File too large"
	is "$(ls -A "$BANGER_STATE_DIR/vms")" ""
}

@test "a full disk: create says so, what was there stays and can be stopped and deleted" {
	[ "$(id -u)" = 0 ] || skip "not root"
	full=$BATS_TEST_TMPDIR/full
	mkdir "$full"
	mount -t tmpfs -o size=160m,mode=0700 tmpfs "$full" 2> /dev/null || skip "no tmpfs here"
	cp -a "$BANGER_STATE_DIR/." "$full/"
	export BANGER_STATE_DIR=$full
	"$BANGER" vm create -q --name a > /dev/null
	"$BANGER" vm create -q --name b > /dev/null
	before=$(jq -S 'del(.touched, .wanted, .last_error)' "$full/vms/a/spec.json")
	head -c 200M /dev/zero > "$full/filler" 2> /dev/null || true
	failed=
	run "$BANGER" vm create --name c
	[ "$status" = 1 ] && [[ $output == *"free below"* ]] || failed="create: $output"
	run "$BANGER" vm stop a
	is "$(vmms | wc -l)" 1 || failed="stop: $output"
	run "$BANGER" vm start a
	[ "$status" = 1 ] && [[ $output == *"No space left"* ]] || failed="start: $output"
	is "$(jq -S 'del(.touched, .wanted, .last_error)' "$full/vms/a/spec.json")" "$before" || failed=spec
	run "$BANGER" vm kill b
	is "$(vmms | wc -l)" 0 || failed="kill: $output"
	run "$BANGER" vm delete a b
	[ "$status" = 0 ] || failed="delete: $output"
	left=$(ls -A "$full/vms" "$BANGER_RUN_DIR")
	umount "$full"
	is "$failed" ""
	has_not "$left" stage
}
