#!/usr/bin/env bats
# --log-level, --log-file and their variables: what is written where, and by whom.

load helpers
export BANGER

setup()
{
	setup_world
	unset BANGER_LOG_LEVEL BANGER_LOG_FILE BANGER_OPERATION
}

@test "log: a file gets JSON lines with one operation for each invocation" {
	needs jq
	"$BANGER" --log-file=log vm list > /dev/null
	BANGER_LOG_FILE=log "$BANGER" image list > /dev/null
	is "$(jq -r .command log | uniq | tr '\n' ' ')" "vm list image list "
	is "$(jq -r .operation log | sort -u | wc -l)" 2
	is "$(jq -r '.operation | test("^[0-9a-f]{16}$")' log | sort -u)" true
	is "$(jq -r .level log | sort -u)" info
	is "$(jq -r .program log | sort -u)" banger
	is "$(stat -c %a log)" 640
	has "$(jq -r .message log)" "ended with status 0"
}

@test "log: an operation goes on in the processes that it starts" {
	needs jq
	BANGER_OPERATION=0123456789abcdef "$BANGER" --log-file log vm list > /dev/null
	is "$(jq -r .operation log | sort -u)" 0123456789abcdef
	rm log
	BANGER_OPERATION="0123456789ABCDEF x" "$BANGER" --log-file log vm list > /dev/null
	has_not "$(cat log)" ABCDEF
}

@test "log: faults reach the file with their hints, arguments do not" {
	needs jq
	run "$BANGER" vm show --log-file log no-such-vm
	is "$status" 1
	has "$(jq -r 'select(.level == "error") | .message' log)" "there is no VM 'no-such-vm'; hint: "
	has "$(jq -r .message log)" "ended with status 1"
	run "$BANGER" vm run --log-file log2 --env SECRET=hunter2 --image nobody-has-this -- true hunter2
	[ "$status" -ne 0 ]
	has_not "$(cat log2)" hunter2
}

@test "log: levels decide what is written, on the terminal only when asked" {
	run "$BANGER" vm list
	is "$output" "$("$BANGER" vm list)"
	has_not "$output" "info:"
	run --separate-stderr "$BANGER" --log-level info vm list
	has "$stderr" "banger: info: began"
	run --separate-stderr "$BANGER" --log-level warn --log-file log vm list
	is "$stderr" ""
	is "$(cat log)" ""
	run --separate-stderr env BANGER_LOG_LEVEL=debug "$BANGER" doctor -q
	has "$stderr" "banger: info: began"
	run "$BANGER" --log-level none --log-file none vm list
	is "$status" 0
	[ ! -e none ]
}

@test "log: what cannot be honoured is refused before anything is made" {
	run "$BANGER" --log-level loud vm list
	is "$status" 2
	has "$output" "--log-level"
	run env BANGER_LOG_LEVEL=loud "$BANGER" vm list
	is "$status" 1
	has "$output" "BANGER_LOG_LEVEL: 'loud' is none of"
	mkfifo pipe
	ln -s elsewhere link
	for file in pipe link . missing/log /dev/null; do
		run timeout 10 "$BANGER" --log-file "$file" image import --name a /nothing
		is "$status" 1
		has "$output" "log file '$file'"
	done
	[ ! -e elsewhere ]
	[ ! -e "$BANGER_STATE_DIR" ]
}

@test "log: many processes share a file, and a full disk fails nothing" {
	needs jq
	local pids=()
	for _ in $(seq 20); do
		"$BANGER" --log-file log vm list > /dev/null 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}" # and not for the processes of bats
	is "$(jq -r .message log | wc -l)" 40
	is "$(jq -r .operation log | sort -u | wc -l)" 20
	run bash -c 'ulimit -f 0; "$BANGER" --log-file full vm list | cat'
	is "$status" 0
}
