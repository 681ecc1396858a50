# What vm exec, run and logs promise to their callers, with a stand-in for QEMU and its agent.

load helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

@test "exec: statuses, closed streams, full disks, readers that go away" {
	"$BANGER" vm create -q --name a > /dev/null
	for code in 0 1 42 124 126 255; do
		run "$BANGER" vm exec a -- exit "$code"
		is "$status" "$code"
		is "$output" ""
	done
	run bash -c '"$BANGER" vm exec -i a -- exit 3 <&- >&- 2>&-'
	is "$status" 3
	run bash -c '"$BANGER" vm exec a -- echo hello > /dev/full'
	is "$status" 125
	has "$output" "No space left"
	run --separate-stderr bash -c '"$BANGER" vm exec a -- flood | head -c 1; exit "${PIPESTATUS[0]}"'
	is "$status" 141
	is "$output" x
	is "$stderr" ""
	run timeout 20 "$BANGER" vm exec --timeout 300ms a -- flood
	is "$status" 124
}

@test "exec: what can be seen to be wrong is wrong usage" {
	"$BANGER" vm create -q --name a > /dev/null
	for wrong in "--workdir x" "--workdir=" "--user=" "--env X" "--env =x" "--timeout -1" "--nope"; do
		# shellcheck disable=SC2086
		run "$BANGER" vm exec $wrong a -- echo hello
		is "$status" 2
	done
}

@test "exec: an agent that lies ends in a sentence and status 125" {
	"$BANGER" vm create -q --name a > /dev/null
	for lie in $'\xb6\x20\x00\x00\x00\x00\x00\x00' garbage $'\xb6\x0f\x01\x01\xff\xff\xff\xff' \
		$'\xb6\x10\x01\x01\x04' $'\x1b]52;c;AAAA\x07'; do
		run timeout 20 "$BANGER" vm exec --timeout 1s a -- lie "$lie"
		[ "$status" -eq 125 ] || [ "$status" -eq 124 ]
		has "$output" "banger: "
		has_not "$output" $'\033'
	done
}

@test "exec: a megabyte of arguments, and a sentence for more than the protocol takes" {
	"$BANGER" vm create -q --name a > /dev/null
	word=$(head -c 50000 /dev/zero | tr '\0' x)
	words=()
	for _ in $(seq 20); do words+=("$word"); done
	run "$BANGER" vm exec a -- echo "${words[@]}"
	is "$status" 0
	is "${#lines[@]}" 20
	is "${#lines[19]}" 50000
	run bash -c 'word=$(head -c 100000 /dev/zero | tr "\0" x)
		ulimit -s unlimited
		exec "$BANGER" vm exec a -- echo $(for _ in $(seq 45); do echo "$word"; done)'
	is "$status" 125
	has "$output" "longer than 4 MiB"
}

@test "run: interrupted at any moment, --rm leaves nothing and says 130" {
	for i in $(seq 30); do
		status=0
		timeout --foreground --preserve-status -s INT "0.0$(printf %03d $((1 + RANDOM % 60)))" \
			"$BANGER" vm run -q --rm --name "r$i" -- flood > /dev/null 2> err || status=$?
		[ "$status" -eq 130 ] || { cat err; is "$status" 130; }
		nothing_is_left
	done
}

@test "logs: a guest's control characters do not reach the terminal" {
	needs script
	"$BANGER" vm create -q --name a > /dev/null
	printf 'plain\t\033[1;31mred\033[0m \033]52;c;AAAA\007 \033[2J\302\233x \033[31\303\244 caf\303\251\177\033' \
		> "$BANGER_STATE_DIR/vms/a/console.log"
	"$BANGER" vm logs a | cmp - "$BANGER_STATE_DIR/vms/a/console.log"
	run script -qec "'$BANGER' vm logs a" /dev/null
	is "$output" $'plain\t\033[1;31mred\033[0m ^[]52;c;AAAA^G ^[[2J\\x9bx ^[[31ä café^?^[\033[0m'
	run bash -c 'yes | head -c 1000000 > "$BANGER_STATE_DIR/vms/a/console.log"
		"$BANGER" vm logs a | head -n 1'
	is "$output" y
}

@test "logs: however much a guest writes, at most 8 MiB of it are kept, its end among them" {
	STUB_VMM_CONSOLE=20000 "$BANGER" vm create -q --name a > /dev/null
	dir=$BANGER_STATE_DIR/vms/a
	timeout 60 bash -c "until grep -q $(printf %062d 319999) $dir/console.log; do sleep 0.1; done"
	[ "$(stat -c %s "$dir/console.log")" -le 4194304 ]
	[ "$(stat -c %s "$dir/console.old")" -le 4194304 ]
	"$BANGER" vm logs a > log
	cat "$dir/console.old" "$dir/console.log" | cmp - log
	is "$(tail -n 1 log)" "$(printf '%062d\r' 319999)"
	awk 'NR > 1 && $1 + 0 != last + 1 { exit 1 } { last = $1 + 0 }' <(tail -n +2 log)
	"$BANGER" vm stop -q a
	"$BANGER" vm start -q a
	timeout 60 bash -c "until [ -s $dir/console.log ]; do sleep 0.1; done"
	is "$("$BANGER" vm logs a)" "console of the stub"
	pgrep -r R,S,D -f "internal-console $dir"
	"$BANGER" vm delete -q a
	is "$(pgrep -r R,S,D -f "internal-console $dir")" ""
}

@test "start: all that is missing is said at once, and nothing is made" {
	"$BANGER" vm create -q --no-start --name a > /dev/null
	rm "$BANGER_STATE_DIR/vms/a/work.ext4" "$BANGER_STATE_DIR/kernels/fake/vmlinux"
	mv "$BANGER_STATE_DIR/images/small" away
	BANGER_QEMU_BIN=/nowhere/qemu run "$BANGER" vm start a
	is "$status" 1
	has "$output" "/nowhere/qemu"
	has "$output" "kernel 'fake'"
	has "$output" "image 'small'"
	has "$output" "the work disk of VM 'a'"
	is "$(ls -A "$BANGER_RUN_DIR")" ""
	is "$(ls "$BANGER_STATE_DIR/vms/a")" "$(printf '%s\n' events.jsonl known_hosts lock root.img \
		spec.json ssh_host_ed25519_key)"
}

@test "every command, without privileges and with an empty environment, ends by itself" {
	[ "$(id -u)" = 0 ] || skip "not root"
	needs setpriv
	cp "$BANGER" "$BATS_TEST_TMPDIR/banger"
	chmod 0755 "$BATS_TEST_TMPDIR/banger"
	work=$(mktemp -d /tmp/bgr.XXXXXX)
	cp "$BANGER" "$work/banger"
	chmod 0755 "$work" "$work/banger"
	while read -r name; do
		for rest in "" "x" "--help" "x -- true"; do
			# shellcheck disable=SC2086
			run timeout 20 setpriv --reuid 65534 --regid 65534 --clear-groups \
				env -i "$work/banger" $name $rest < /dev/null
			case $status in
			0 | 1 | 2 | 125) ;;
			*)
				echo "$name $rest: status $status: $output"
				rm -rf "$work"
				return 1
				;;
			esac
			# What the doctor finds, and what is not installed, is a list and no message.
			[ "$status" -eq 0 ] || [[ $output == *"FAIL "* || $output == *"missing "* ]] ||
				has "$output" "banger: "
		done
	done < <(all_commands)
	rm -rf "$work"
}

@test "what other tools call a command leads to ours" {
	while IFS=: read -r theirs ours; do
		# shellcheck disable=SC2086
		run "$BANGER" $theirs
		is "$status" 2
		has "$output" "did you mean '$ours'?"
		"$BANGER" help $ours > /dev/null
	done <<-'END'
		vm rm:vm delete
		vm remove:vm delete
		rm:vm delete
		vm inspect:vm show
		vm shell:vm exec
		ssh:vm ssh
		scp:vm cp
		images:image list
		rmi:image delete
		image rm:image delete
		run:vm run
		exec:vm exec
		logs:vm logs
		vm delet:vm delete
	END
	run "$BANGER" vm run --mem 1G
	has "$output" "did you mean '--memory'?"
	run "$BANGER" vm run debian
	has "$output" "an image after --image"
	run "$BANGER" vm start
	has "$output" "needs an operand: NAME..."
}
