#!/usr/bin/env bats
# The watcher, idleness and time limits: VMs without guests.

load helpers

setup() { setup_stub; WATCH=$(dirname "$BANGER")/banger-watch; }
teardown() { teardown_stub; }

@test "an idle VM is stopped after its time, one in use is not" {
	"$BANGER" vm create -q --name idle --auto-stop 500ms > /dev/null
	"$BANGER" vm create -q --name used --auto-stop 500ms > /dev/null
	"$BANGER" vm create -q --name free > /dev/null
	"$BANGER" vm exec used -- flood > /dev/null &
	flood=$!
	sleep 0.3
	"$BANGER" watch --once -q
	sleep 0.7
	is "$("$BANGER" watch --once)" "VM 'idle' was stopped: nobody used it"
	is "$("$BANGER" ps -q -f state=running | xargs)" "free used"
	kill -0 "$flood"
	kill "$flood"
	wait "$flood" || true
	"$BANGER" vm delete -q idle used free
	nothing_is_left
}

@test "a time to live is over whatever goes on" {
	"$BANGER" vm create -q --name a --ttl 300ms > /dev/null
	"$BANGER" vm exec a -- flood > /dev/null &
	flood=$!
	sleep 0.6
	is "$("$BANGER" watch --once)" "VM 'a' was stopped: its time to live is over"
	wait "$flood" || true
	is "$("$BANGER" vm show a | jq -r .state)" stopped
	"$BANGER" vm delete -q a
	nothing_is_left
}

@test "the watcher: one at a time, small, asleep between looks, gone with the last VM" {
	"$BANGER" vm create -q --name a > /dev/null
	"$WATCH" --interval 200ms > log 2>&1 &
	watch=$!
	sleep 0.5
	run "$WATCH" --interval 200ms
	is "$status" 0
	has "$output" "the watcher is in use"
	if ! is_sanitized; then
		[ "$(awk '/VmHWM/ { print $2 }' "/proc/$watch/status")" -le 4096 ]
		# Each look is one sleep: no more switches than looks, and a few for the files.
		before=$(awk '/^voluntary/ { print $2 }' "/proc/$watch/status")
		sleep 2
		after=$(awk '/^voluntary/ { print $2 }' "/proc/$watch/status")
		[ $((after - before)) -le 25 ]
	fi
	"$BANGER" vm kill -q a
	for _ in $(seq 50); do kill -0 "$watch" 2> /dev/null || break; sleep 0.1; done
	wait "$watch"
	"$BANGER" vm delete -q a
}

@test "auto_watch: start launches one watcher, and a kill loses nothing but samples" {
	export BANGER_AUTO_WATCH=yes BANGER_WATCH_INTERVAL=200ms
	"$BANGER" vm create -q --name a > /dev/null
	"$BANGER" vm create -q --name b > /dev/null
	pid=
	for _ in $(seq 50); do
		pid=$(awk '{ print $1 }' "$BANGER_STATE_DIR/locks/watch.lock" 2> /dev/null) && [ -s "$BANGER_STATE_DIR/vms/a/stats.bin" ] && break
		sleep 0.1
	done
	is "$(tr '\0' ' ' < "/proc/$pid/cmdline" | grep -c banger-watch)" 1
	is "$(pgrep -c -f -- "banger-watch --state-dir $BANGER_STATE_DIR")" 1
	kill -9 "$pid"
	sleep 0.3
	"$BANGER" watch --once
	"$BANGER" vm stats --history a > /dev/null
	is "$("$BANGER" ps -q -f state=running | xargs)" "a b"
	"$BANGER" vm delete -q a b
	nothing_is_left
}

@test "exec at the very moment of an automatic stop: it runs, or it fails cleanly, 200 times" {
	local ran=0 refused=0 times=200
	! is_sanitized || times=50
	"$BANGER" vm create -q --name a --no-start --auto-stop 1ms > /dev/null
	for try in $(seq "$times"); do
		"$BANGER" vm kill -q a
		"$BANGER" vm start -q a
		"$BANGER" watch --once -q # from now on it is idle
		exec_after=0.0$((try % 3))$((try % 10)) watch_after=0.0$((try % 2))$((RANDOM % 10))
		(sleep "$watch_after"; exec "$BANGER" watch --once) > watched &
		watch=$!
		sleep "$exec_after"
		status=0
		"$BANGER" vm exec a -- nap $((try % 20)) 7 2> err || status=$?
		wait "$watch"
		if [ "$status" -eq 7 ]; then
			ran=$((ran + 1))
		else
			is "$status" 125
			has "$(cat err)" "VM 'a' is not running"
			has "$(cat watched)" "VM 'a' was stopped"
			refused=$((refused + 1))
		fi
	done
	echo "# ran $ran, refused $refused" >&3
	[ "$ran" -gt 0 ] && [ "$refused" -gt 0 ]
	[ $((ran + refused)) -eq "$times" ]
	"$BANGER" vm delete -q a
	nothing_is_left
}

@test "history and plot show what the watcher saw" {
	"$BANGER" vm create -q --name a > /dev/null
	is "$("$BANGER" vm stats --history --json a)" "[]"
	for _ in 1 2 3 4; do
		"$BANGER" watch --once -q
		sleep 0.02
	done
	is "$("$BANGER" vm stats --history --json a | jq 'length')" 3
	is "$("$BANGER" vm stats --history --json a | jq '[.[] | select(.rss_bytes > 0 and .vm == "a")] | length')" 3
	is "$("$BANGER" vm stats --history a | wc -l)" 4
	run "$BANGER" vm stats --plot cpu,mem --since 10m a
	is "$status" 0
	has "$output" "a: memory (RSS)"
	has "$output" "#"
	run "$BANGER" vm stats --plot heat a
	is "$status" 2
	run "$BANGER" vm stats --history
	is "$status" 2
	before=$(sha256sum "$BANGER_STATE_DIR/vms/a/stats.bin")
	"$BANGER" vm stats a > /dev/null
	is "$(sha256sum "$BANGER_STATE_DIR/vms/a/stats.bin")" "$before"
	head -c 70000 /dev/urandom > "$BANGER_STATE_DIR/vms/a/stats.bin"
	is "$("$BANGER" vm stats --history --json a)" "[]"
	"$BANGER" watch --once -q
	"$BANGER" vm delete -q a
	nothing_is_left
}

@test "gc --auto-stop does one look, for cron" {
	"$BANGER" vm create -q --name a --auto-stop 300ms > /dev/null
	"$BANGER" gc -q --auto-stop
	sleep 0.5
	run --separate-stderr "$BANGER" gc --auto-stop --json
	is "$status" 0
	has "$stderr" "VM 'a' was stopped: nobody used it"
	is "$(jq '.items | length' <<< "$output")" 0
	is "$("$BANGER" vm show a | jq -r .state)" stopped
	run "$BANGER" gc --auto-stop --dry-run
	is "$status" 2
	"$BANGER" vm delete -q a
	nothing_is_left
}
