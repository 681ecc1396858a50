#!/usr/bin/env bats
# The agent where it is easily wrong: clients that die at any byte, its own death, images with next to nothing.

load helpers

setup_file() { vm_setup_file; }
setup() { vm_setup; }
teardown() { vm_teardown; }

run_detached() { "$BANGER" vm run -q -d --name a "$@" > /dev/null; }

@test "a client killed in the middle of its input or output does not disturb the next one" {
	run_detached
	for _ in 1 2 3 4 5; do
		"$BANGER" vm exec -i a -- sh -c 'cat > /dev/null' < /dev/zero &
		client=$!
		sleep 0.5
		kill -KILL "$client"
		wait "$client" || true
		[ "$(timeout 30 "$BANGER" vm exec a -- echo fresh)" = fresh ]

		"$BANGER" vm exec a -- cat /dev/zero > /dev/null &
		client=$!
		sleep 0.5
		kill -KILL "$client"
		wait "$client" || true
		[ "$(timeout 30 "$BANGER" vm exec a -- echo fresh)" = fresh ]
	done
	[ "$("$BANGER" vm exec a -- sh -c 'ps | grep -c "[c]at /dev/zero\|[c]at > "' || true)" = 0 ]
}

@test "a grandchild that never stops writing does not keep the client" {
	run_detached
	status=0
	timeout 60 "$BANGER" vm exec a -- sh -c 'yes & exit 5' > /dev/null || status=$?
	[ "$status" -eq 5 ]
}

@test "what ignores SIGHUP and left its group dies with the client all the same" {
	run_detached
	"$BANGER" vm exec a -- sh -c 'trap "" HUP TERM; set -m; sleep 4712 & echo up; sleep 4712' \
		> "$BATS_TEST_TMPDIR/out" &
	client=$!
	for _ in $(seq 100); do
		grep -q up "$BATS_TEST_TMPDIR/out" && break
		sleep 0.1
	done
	kill -KILL "$client"
	wait "$client" || true
	for _ in $(seq 50); do
		left=$("$BANGER" vm exec a -- sh -c 'ps | grep -c "[s]leep 4712"' || true)
		[ "$left" = 0 ] && break
		sleep 0.1
	done
	[ "$left" = 0 ]
}

@test "an agent that is killed is started again, and its client is told" {
	run_detached --image busybox-init
	status=0
	# shellcheck disable=SC2016 # for the guest's shell
	timeout 60 "$BANGER" vm exec a -- sh -c \
		'kill -9 $(ps | sed -n "s/^ *\([0-9]*\) .*[b]anger-agent serve.*/\1/p"); sleep 100' \
		2> "$BATS_TEST_TMPDIR/err" || status=$?
	[ "$status" -eq 125 ]
	grep -q 'started again' "$BATS_TEST_TMPDIR/err"
	[ "$(timeout 30 "$BANGER" vm exec a -- echo back)" = back ]
}

@test "an image with one file: no shell, no passwd, no directory that the system needs" {
	mkdir "$BATS_TEST_TMPDIR/tree"
	cp "$(command -v busybox)" "$BATS_TEST_TMPDIR/tree/busybox"
	tar -C "$BATS_TEST_TMPDIR/tree" -c . | "$BANGER" image import --name one -
	run_detached --image one
	[ "$("$BANGER" vm exec a -- /busybox echo it works)" = 'it works' ]
	run -127 "$BANGER" vm exec a -- sh -c true
	[ "$("$BANGER" vm exec --user 1234:5678 a -- /busybox id -u)" = 1234 ]
	run -125 "$BANGER" vm exec --user nobody a -- /busybox true
	[[ "$output" == *nobody* ]]
	"$BANGER" vm delete -q a
	"$BANGER" image delete one
}

@test "the end of piped input ends a shell on a terminal" {
	run_detached
	status=0
	printf 'echo from the terminal\n' | timeout 60 "$BANGER" vm exec -it a > "$BATS_TEST_TMPDIR/out" || status=$?
	# Where -t without a terminal is refused, that is an answer too: it must not hang.
	[ "$status" -ne 124 ]
}

@test "groups come from the image's own files" {
	run_detached
	"$BANGER" vm exec a -- sh -c 'echo "ann:x:1000:1000::/home/ann:/bin/sh" >> /etc/passwd
		echo "staff:x:50:bob,ann" >> /etc/group; mkdir -p /home/ann'
	[ "$("$BANGER" vm exec --user ann a -- id -G)" = '1000 50' ]
	[ "$("$BANGER" vm exec --user ann:staff a -- id -G)" = 50 ]
	[ "$("$BANGER" vm exec --user ann a -- pwd)" = /home/ann ]
}
