#!/usr/bin/env bats
# vm exec: a contract that cannot hang, and not a byte lost.

load helpers

setup_file() { vm_setup_file; }
setup()
{
	vm_setup
	"$BANGER" vm run -q -d --name a > /dev/null
}
teardown() { vm_teardown; }

@test "100 MB each way arrive whole" {
	head -c 100000000 /dev/urandom > "$BATS_TEST_TMPDIR/data"
	want=$(sha256sum < "$BATS_TEST_TMPDIR/data")
	got=$("$BANGER" vm exec -i a -- sh -c 'cat > /root/data; sha256sum < /root/data' < "$BATS_TEST_TMPDIR/data")
	[ "$got" = "$want" ]
	got=$("$BANGER" vm exec a -- cat /root/data | sha256sum)
	[ "$got" = "$want" ]
}

@test "every byte value passes unchanged both ways, stdout and stderr apart" {
	printf "$(printf '\\%03o' $(seq 0 255))" > "$BATS_TEST_TMPDIR/bytes"
	"$BANGER" vm exec -i a -- cat < "$BATS_TEST_TMPDIR/bytes" | cmp - "$BATS_TEST_TMPDIR/bytes"
	"$BANGER" vm exec a -- sh -c 'echo out; echo err >&2' \
		> "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = out ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]
}

@test "arguments arrive one by one, whatever is in them" {
	run --separate-stderr "$BANGER" vm exec a -- printf '%s|' 'a b' '' '$x' "it's" $'new\nline' '--rm'
	[ "$output" = $'a b||$x|it\'s|new\nline|--rm|' ]
}

@test "it ends although standard input is an inherited pipe that never closes" {
	mkfifo "$BATS_TEST_TMPDIR/open"
	sleep 1000 > "$BATS_TEST_TMPDIR/open" 3>&- &
	writer=$!
	status=0
	timeout 30 "$BANGER" vm exec a -- cat < "$BATS_TEST_TMPDIR/open" || status=$?
	kill "$writer"
	[ "$status" -eq 0 ]
}

@test "the process group dies with the client" {
	"$BANGER" vm exec a -- sh -c 'sleep 4711 & sleep 4711' &
	client=$!
	for _ in $(seq 50); do
		[ "$("$BANGER" vm exec a -- sh -c 'pgrep -f "sleep 4711" | wc -l')" -ge 2 ] && break
		sleep 0.1
	done
	kill -KILL "$client"
	wait "$client" || true
	for _ in $(seq 50); do
		left=$("$BANGER" vm exec a -- sh -c 'ps | grep -c "[s]leep 4711"' || true)
		[ "$left" = 0 ] && break
		sleep 0.1
	done
	[ "$left" = 0 ]
}

@test "SIGTERM to the client reaches the command, which may answer it" {
	"$BANGER" vm exec a -- sh -c 'trap "echo got it; exit 7" TERM; echo ready; while :; do sleep 0.1; done' \
		> "$BATS_TEST_TMPDIR/out" &
	client=$!
	for _ in $(seq 100); do
		grep -q ready "$BATS_TEST_TMPDIR/out" && break
		sleep 0.1
	done
	kill -TERM "$client"
	status=0
	wait "$client" || status=$?
	[ "$status" -eq 7 ]
	grep -q "got it" "$BATS_TEST_TMPDIR/out"
}

@test "a grandchild that keeps the pipe does not keep the client" {
	start=$SECONDS
	run timeout 60 "$BANGER" vm exec a -- sh -c 'sleep 100 & echo done'
	[ "$status" -eq 0 ]
	[[ "$output" == *done* ]]
	[ $((SECONDS - start)) -lt 30 ]
}

@test "sixteen at once" {
	local pids=()

	for i in $(seq 15); do
		"$BANGER" vm exec a -- sh -c "sleep 1; echo $i" > "$BATS_TEST_TMPDIR/out.$i" &
		pids+=($!)
	done
	wait "${pids[@]}" # a bare wait would wait for the watchdog of bats as well
	[ "$(cat "$BATS_TEST_TMPDIR"/out.* | sort -n | tr '\n' ' ')" = "$(seq 15 | tr '\n' ' ')" ]
}

@test "a hundred in a row, each right" {
	for i in $(seq 100); do
		[ "$("$BANGER" vm exec a -- echo "$i")" = "$i" ]
	done
}

@test "a terminal: size, size changes, Ctrl-C to the guest, and the exit status" {
	command -v tmux > /dev/null || skip "tmux is not installed"
	tmux -L "bgr$$" -f /dev/null new-session -d -x 100 -y 30 \
		"$BANGER vm exec -it a -- sh; echo status \$?; sleep 100"
	screen() { tmux -L "bgr$$" capture-pane -p; }
	wait_for() {
		for _ in $(seq 100); do screen | grep -q -- "$1" && return 0; sleep 0.1; done
		screen >&2
		return 1
	}
	tmux -L "bgr$$" send-keys 'stty size' Enter
	wait_for '^30 100'
	tmux -L "bgr$$" resize-window -x 90 -y 25
	sleep 0.5
	tmux -L "bgr$$" send-keys 'stty size' Enter
	wait_for '^25 90'
	tmux -L "bgr$$" send-keys 'sleep 1000; echo after $?' Enter
	sleep 0.5
	tmux -L "bgr$$" send-keys C-c
	sleep 0.5
	tmux -L "bgr$$" send-keys 'echo alive' Enter
	wait_for '^alive'
	tmux -L "bgr$$" send-keys 'exit 3' Enter
	wait_for 'status 3'
	tmux -L "bgr$$" kill-server
}

@test "exec in a VM that is not running says so and what to type" {
	"$BANGER" vm kill -q a
	run "$BANGER" vm exec a -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"not running"*"banger vm start a"* ]]
	run "$BANGER" vm exec nobody -- true
	[ "$status" -eq 125 ]
	[[ "$output" == *"there is no VM 'nobody'"* ]]
}
