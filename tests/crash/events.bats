# What was done with a VM: 'vm events', 'vm show' and the ids in error messages.

load ../cli/helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

@test "each operation begins, has its stages and ends, with one id" {
	"$BANGER" vm create -q --name a > /dev/null
	"$BANGER" vm stop -q a
	is "$("$BANGER" vm events a --json | jq -rs 'map(select(.event != "stage") | "\(.verb) \(.event)") | join(", ")')" \
		"create begin, create end, start begin, start end, stop begin, stop end"
	is "$("$BANGER" vm events a --json | jq -rs 'map(select(.verb == "start") | .operation) | unique | length')" 1
	has "$("$BANGER" vm events a --json | jq -rs 'map(.stage // empty) | join(" ")')" "run-dir boot-archive"
	"$BANGER" vm events a --json | jq -se '[.[].mono_ms] == ([.[].mono_ms] | sort)'
	has "$("$BANGER" vm events a)" "start"
	"$BANGER" vm list > /dev/null
	is "$("$BANGER" vm events a | wc -l)" "$("$BANGER" vm events a --json | wc -l)"
}

@test "a fault is kept, and its message names the operation" {
	"$BANGER" vm create -q --no-start --name a
	BANGER_QEMU_BIN=/bin/false run "$BANGER" vm start a
	is "$status" 1
	[[ $output =~ \(operation\ ([0-9a-f]{8})\) ]]
	id=${BASH_REMATCH[1]}
	is "$("$BANGER" vm events a --json | jq -r "select(.operation == \"$id\" and .event == \"fault\") | .verb")" start
	# Also of what is only refused, and by every verb.
	for verb in "set a --memory 1M" "rename a a" "clone a a" "forward --detach a 8080:80" "reset --force a"; do
		[ "$verb" != "reset --force a" ] || rm state/images/small/rootfs.ext4
		# shellcheck disable=SC2086 # words
		run "$BANGER" vm $verb
		is "$status" 1
		[[ ${lines[0]} =~ \(operation\ ([0-9a-f]{8})\)$ ]] || { echo "$verb: $output"; return 1; }
		is "$("$BANGER" vm events a --json |
			jq -r "select(.operation == \"${BASH_REMATCH[1]}\" and .event == \"fault\") | .verb")" "${verb%% *}"
	done
}

@test "the file is bounded, and garbage in it is left out" {
	"$BANGER" vm create -q --no-start --name a
	yes garbage | head -c 140000 > state/vms/a/events.jsonl
	"$BANGER" vm set a --label x=y
	is "$("$BANGER" vm events a --json | jq -rs 'map(.event) | join(" ")')" "begin end"
	yes garbage | head -c 140000 >> state/vms/a/events.jsonl
	"$BANGER" vm set a --label x=z
	is "$(ls state/vms/a/events.* | wc -l)" 2
	rm state/vms/a/events.*
	is "$("$BANGER" vm events a)" ""
	mkdir state/vms/a/events.jsonl
	"$BANGER" vm set a --label x=y
	run "$BANGER" vm events a
	is "$status" 1
	"$BANGER" vm delete -q a
}

@test "--follow prints what happens, until the VM is gone" {
	"$BANGER" vm create -q --no-start --name a
	timeout 30 "$BANGER" vm events -f a > followed 3>&- &
	follower=$!
	"$BANGER" vm start -q a
	"$BANGER" vm stop -q a
	for _ in $(seq 100); do
		! grep -q "stop  *end" followed || break
		sleep 0.1
	done
	grep -q "start  *begin" followed
	grep -q "stop  *end" followed
	"$BANGER" vm delete -q a
	wait "$follower"
}

@test "show tells an interrupted operation: stage, since when, by whom, and what will happen" {
	crash_at=$(dirname "$BANGER")/tests/tools/crash_at
	"$BANGER" vm create -q --no-start --name a
	n=$("$crash_at" list "$BANGER" vm start -q a 2>&1 | sed -n 's/ connect$//p' | head -n 1)
	"$BANGER" vm stop -q a
	run "$crash_at" before "$n" "$BANGER" vm start -q a
	is "$status" 42
	"$BANGER" vm show a | jq -e '.under_way.verb == "start" and .under_way.stage == "vmm" and
		.under_way.interrupted and .under_way.since != null and .under_way.pid > 0 and
		(.under_way.next | contains("completes"))'
	is "$("$BANGER" vm show a | jq -r .under_way.id)" \
		"$("$BANGER" vm events a --json | jq -rs 'map(select(.verb == "start")) | last | .operation')"
	"$BANGER" vm start -q a
	is "$("$BANGER" vm show a | jq -r .under_way.verb)" null
}
