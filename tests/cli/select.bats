#!/usr/bin/env bats
# Labels, filters, ping, health, sessions: VMs without guests.

load helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

three()
{
	"$BANGER" vm create -q --name a --label app=web --label tier=1 > /dev/null
	"$BANGER" vm create -q --name b --label app=db --no-start > /dev/null
	"$BANGER" vm create -q --name c --label app=web --no-start > /dev/null
}

@test "labels are kept, and filters combine" {
	three
	is "$("$BANGER" vm show a | jq -c .spec.labels)" '["app=web","tier=1"]'
	is "$("$BANGER" ps -q --filter label=app=web | xargs)" "a c"
	is "$("$BANGER" ps -q --filter label=tier | xargs)" "a"
	is "$("$BANGER" ps -q --filter state=created --filter label=app=web | xargs)" "c"
	is "$("$BANGER" ps -q --filter state=created,label=app=web | xargs)" "c"
	is "$("$BANGER" ps -q --filter state=created,state=running | xargs)" "a b c"
	is "$("$BANGER" ps -q --filter image=other | xargs)" ""
	is "$("$BANGER" ps -q --filter label=ap | xargs)" ""
	has "$("$BANGER" ps)" "app=web,tier=1"
	is "$("$BANGER" ps -q --since 1h | xargs)" "a b c"
	is "$("$BANGER" ps -q --sort state | xargs)" "b c a"
	"$BANGER" vm delete -q a b c
	nothing_is_left
}

@test "bad labels, filters and limits are refused before anything is made" {
	run "$BANGER" vm create --name a --label novalue
	[ "$status" -ne 0 ]
	has "$output" "label 'novalue' is not KEY=VALUE"
	run "$BANGER" vm create --name a --label 'k y=v'
	[ "$status" -ne 0 ]
	run "$BANGER" vm create --name a --ttl 0
	[ "$status" -ne 0 ]
	has "$output" "time to live"
	run "$BANGER" vm create --name a --auto-stop soon
	is "$status" 2
	for bad in state=paused nothing colour=red label=; do
		run "$BANGER" ps --filter "$bad"
		is "$status" 2
	done
	is "$("$BANGER" ps -q)" ""
}

@test "ping and health: several at once, exit status for scripts, nothing written" {
	three
	run "$BANGER" vm ping a
	is "$status" 0
	[[ $output =~ ^a:\ [0-9]+\.[0-9]{3}\ ms$ ]]
	run "$BANGER" vm ping a b
	is "$status" 1
	has "$output" "VM 'b' is not running"
	has "$output" "a: "
	before=$(cd "$BANGER_STATE_DIR" && find . -printf '%p %s %T@\n' | sort)
	run --separate-stderr "$BANGER" vm health --json
	is "$status" 1
	is "$(jq -c '[.[] | [.name, .healthy]]' <<< "$output")" '[["a",true],["b",false],["c",false]]'
	is "$(jq '.[1].round_trip_us' <<< "$output")" null
	run "$BANGER" vm health -q a
	is "$status" 0
	is "$(cd "$BANGER_STATE_DIR" && find . -printf '%p %s %T@\n' | sort)" "$before"
	"$BANGER" vm delete -q a b c
	nothing_is_left
}

@test "exec is a use, list and health are not" {
	three
	touch -d '2 hours ago' "$BANGER_STATE_DIR/vms/a/session.lock"
	jq '.touched="2026-01-01T00:00:00Z"' "$BANGER_STATE_DIR/vms/a/spec.json" > spec
	cat spec > "$BANGER_STATE_DIR/vms/a/spec.json"
	old=$("$BANGER" vm show a | jq -r .touched)
	"$BANGER" vm health -q a
	"$BANGER" vm ping -q a
	"$BANGER" ps > /dev/null
	is "$("$BANGER" vm show a | jq -r .touched)" "$old"
	"$BANGER" vm exec a -- exit 0
	[[ $("$BANGER" vm show a | jq -r .touched) > $old ]]
	is "$("$BANGER" ps -q --sort touched | head -n 1)" a
	"$BANGER" vm delete -q a b c
	nothing_is_left
}
