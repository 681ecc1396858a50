load helpers

# An image 'x' whose lock is held by a process that the test ends.
setup_locked_image()
{
	mkdir tree
	echo content > tree/file
	"$BANGER" image import -q --name x --size 64M tree
	flock "$BANGER_STATE_DIR/locks/images/x.lock" sleep 60 3>&- &
	holder=$!
	for _ in {1..200}; do
		flock -n "$BANGER_STATE_DIR/locks/images/x.lock" true || return 0
		sleep 0.05
	done
	return 1
}

teardown()
{
	[ -z "${holder:-}" ] || { pkill -P "$holder"; kill "$holder"; } 2>/dev/null || true
}

@test "who waits says for whom, and gives up after --wait" {
	setup_locked_image
	run --separate-stderr "$BANGER" image delete x --wait 300ms
	is "$status" 1
	is "$output" ""
	has "${stderr_lines[0]}" "banger: image 'x' is in use by 'import' (pid "
	has "${stderr_lines[0]}" "; waiting"
	has "$stderr" "with --wait"
	run --separate-stderr "$BANGER" image delete x --wait 0
	is "$status" 1
	has_not "$stderr" waiting
	[ -e "$BANGER_STATE_DIR/images/x" ]
}

@test "waiting ends as soon as the lock is free" {
	setup_locked_image
	"$BANGER" image delete x --wait 60 2>err &
	waiter=$!
	for _ in {1..200}; do
		! grep -q waiting err || break
		sleep 0.05
	done
	grep -q waiting err
	pkill -P "$holder"
	wait $waiter
	[ ! -e "$BANGER_STATE_DIR/images/x" ]
}

@test "waiting is interruptible, with status 128 plus the signal" {
	setup_locked_image
	for signal in TERM:143 HUP:129 INT:130; do
		run timeout --foreground --preserve-status -s "${signal%:*}" 1 "$BANGER" image delete x --wait 60
		is "$status" "${signal#*:}"
	done
	[ -e "$BANGER_STATE_DIR/images/x" ]
}

@test "observers do not wait for a lock" {
	setup_locked_image
	run --separate-stderr timeout 20 "$BANGER" image list
	is "$status" 0
	has "$output" x
	is "$stderr" ""
	run timeout 20 "$BANGER" image show x
	is "$status" 0
}

@test "an interrupted import leaves no image and nothing else behind" {
	mkfifo pipe
	sleep 60 3>&- > pipe &
	holder=$!
	run timeout --foreground --preserve-status -s INT 1 "$BANGER" image import --name y - < pipe
	is "$status" 130
	has "$output" "interrupted"
	is "$(ls -A "$BANGER_STATE_DIR/images")" ""
}

@test "observers read a read-only state directory, and none at all" {
	for name in image kernel; do
		run "$BANGER" $name list
		is "$status" 0
	done
	[ ! -e "$BANGER_STATE_DIR" ]
	"$BANGER" image import -q --name x --size 64M "$TOP/completions"
	chmod -R a-w "$BANGER_STATE_DIR"
	run "$BANGER" image list
	chmod -R u+w "$BANGER_STATE_DIR"
	is "$status" 0
	has "$output" x
	for arguments in "image list" "image show x" "image list --json" "kernel list"; do
		before=$(find "$BANGER_STATE_DIR" -printf '%p %T@ %C@ %s\n' | sort)
		"$BANGER" $arguments
		is "$(find "$BANGER_STATE_DIR" -printf '%p %T@ %C@ %s\n' | sort)" "$before"
	done
}

@test "a state directory of a newer banger is refused and not touched" {
	mkdir -m 0700 "$BANGER_STATE_DIR"
	echo 999 > "$BANGER_STATE_DIR/version"
	for arguments in "image list" "kernel list" "image delete x" "image import --name y $TOP/man"; do
		run "$BANGER" $arguments
		is "$status" 1
		has "$output" "layout 999"
	done
	is "$(ls -A "$BANGER_STATE_DIR")" version
}
