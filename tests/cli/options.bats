load helpers

@test "an unknown command is one sentence with the nearest one and status 2" {
	run "$BANGER" confgi
	is "$status" 2
	is "${lines[0]}" "banger: there is no command 'confgi'; did you mean 'config'?"
	is "${lines[1]}" "usage: banger COMMAND [OPTIONS]"
	is "${#lines[@]}" 2
	run "$BANGER" frobnicate
	is "$status" 2
	has "$output" "'banger help' lists all commands."
}

@test "an unknown option is one sentence with the nearest one and status 2" {
	run "$BANGER" config --jsn
	is "$status" 2
	is "${lines[0]}" "banger: 'banger config' has no option '--jsn'; did you mean '--json'?"
	is "${lines[1]}" "usage: banger config [OPTIONS] [KEY]"
	run "$BANGER" --jsn config
	is "$status" 2
}

@test "every command refuses an option and an operand that it does not have" {
	while read -r name; do
		run "$BANGER" $name --no-such-option-anywhere </dev/null
		is "$status" 2
		has "$output" "banger: "
	done < <(all_commands)
	[ ! -e "$BANGER_STATE_DIR" ]
}

@test "usage faults go to standard error only" {
	run --separate-stderr "$BANGER" config a b
	is "$status" 2
	is "$output" ""
	has "$stderr" "'banger config' has no use for 'b'"
}

@test "options may stand before and after the command, and twice" {
	plain=$("$BANGER" config --json)
	is "$("$BANGER" --json config)" "$plain"
	is "$("$BANGER" --json config --json)" "$plain"
	is "$("$BANGER" config --json vm_defaults.vcpu)" "$("$BANGER" config vm_defaults.vcpu --json)"
	is "$("$BANGER" config -- vm_defaults.vcpu)" "$("$BANGER" config vm_defaults.vcpu)"
}

@test "control characters in messages are made visible" {
	run "$BANGER" $'a\033[31mb\nbanger: forged'
	is "$status" 2
	has "$output" 'a\x1b[31mb'
	has_not "$output" $'\033'
	# A line feed cannot make what looks like a message of its own.
	has_not "$output" $'\nbanger: forged'
}

@test "messages are coloured on a terminal only, and not with NO_COLOR" {
	needs script
	run script -qec "TERM=xterm '$BANGER' frobnicate" /dev/null
	has "$output" $'\033[1;31mbanger:'
	run script -qec "TERM=xterm NO_COLOR=1 '$BANGER' frobnicate" /dev/null
	has_not "$output" $'\033['
	run script -qec "TERM=dumb '$BANGER' frobnicate" /dev/null
	has_not "$output" $'\033['
	run env TERM=xterm "$BANGER" frobnicate
	has_not "$output" $'\033['
}

@test "a full disk under standard output is a failure with a sentence" {
	for arguments in --version --help config "config --json" "completion bash"; do
		run --separate-stderr bash -c '"$0" $1 > /dev/full' "$BANGER" "$arguments"
		is "$status" 1
		has "$stderr" "banger: writing to standard output: No space left on device"
	done
}

@test "a reader that goes away is no failure and no message" {
	# The reader has ended for sure when banger starts to write.
	for arguments in --version "completion bash" config "config --json"; do
		run bash -c '{ sleep 0.3; "$0" $1; echo "status $?" >&2; } 2>&1 >&3 3>&- | cat; exit' \
			"$BANGER" "$arguments" 3> >(exec true)
		is "$output" "status 0"
	done
}

@test "closed standard streams do no harm" {
	run bash -c '"$0" config >&-' "$BANGER"
	is "$status" 0
	run bash -c '"$0" config 2>&-' "$BANGER"
	is "$status" 0
	run bash -c '"$0" frobnicate <&- >&- 2>&-' "$BANGER"
	is "$status" 2
	run bash -c '"$0" internal man m <&- >&- 2>&-; ls m | grep -c banger' "$BANGER"
	[ "$output" -gt 4 ]
}

@test "arguments with any bytes and any length are survived" {
	run "$BANGER" config "$(printf '\377\376\300\257')"
	is "$status" 2
	long=$(printf 'x%.0s' {1..20000})
	run "$BANGER" "$long"
	is "$status" 2
	run "$BANGER" config "--$long"
	is "$status" 2
	run "$BANGER" ""
	is "$status" 2
	run "$BANGER" "" "" ""
	is "$status" 2
	run "$BANGER" --state-dir
	is "$status" 0
}
