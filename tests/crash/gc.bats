# What 'banger gc' clears away, and what it leaves alone.

load ../cli/helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

gc_json() { "$BANGER" gc --json "$@"; }

# A process that was killed while it made VM $1.
dead_pid()
{
	sh -c 'echo $$'
}

@test "gc on nothing: says so, and makes nothing" {
	run env BANGER_STATE_DIR="$PWD/none" "$BANGER" gc --dry-run
	is "$status" 0
	is "$output" "nothing to clean up"
	[ ! -e none ]
	run "$BANGER" gc
	is "$output" "nothing to clean up"
}

@test "staging directories of dead makers go, those of live ones stay" {
	"$BANGER" vm create -q --no-start --name a
	mkdir -p state/vms/.stage-x."$(dead_pid)" state/vms/.stage-y.$$ state/images/.stage-z \
		state/kernels/.removed-k-0123456789abcdef
	touch state/images/.stage-z/rootfs.ext4
	is "$(gc_json --dry-run | jq -r '.items[] | select(.action == "remove") | .name' | sort | wc -l)" 3
	[ -d state/images/.stage-z ]
	run "$BANGER" gc
	is "$status" 0
	is "$(ls -A state/vms)" ".stage-y.$$
a"
	is "$(ls -A state/images state/kernels | grep '^\.[a-z]')" ""
	has "$output" "whoever made it is still there"
	rmdir state/vms/.stage-y.$$
}

@test "an image that somebody makes is not swept" {
	mkdir -p state/locks/images state/images/.stage-z
	exec 8> state/locks/images/z.lock
	flock 8
	is "$(gc_json | jq -r '.items[].state')" busy
	[ -d state/images/.stage-z ]
	flock -u 8
	is "$(gc_json | jq -r '.items[].done')" true
	[ ! -e state/images/.stage-z ]
}

@test "temporary files go when nobody has them open" {
	"$BANGER" vm create -q --no-start --name a
	touch -d '1 minute ago' state/vms/a/.spec.json.tmp-0123456789abcdef state/.version.tmp-0123456789abcdef
	exec 8> state/vms/a/.handles.json.tmp-0123456789abcdef
	flock 8
	touch -d '1 minute ago' state/vms/a/.handles.json.tmp-0123456789abcdef
	"$BANGER" gc
	is "$(find state -name '*.tmp-*')" "state/vms/a/.handles.json.tmp-0123456789abcdef"
	flock -u 8
	"$BANGER" gc -q
	is "$(find state -name '*.tmp-*')" ""
}

@test "a VMM whose VM is gone is ended, with its sockets; that of another state directory is not" {
	"$BANGER" vm create -q --name a
	"$BANGER" --state-dir other image import -q --name small --size 16M tree
	cp -r state/kernels/fake other/kernels/
	"$BANGER" --state-dir other vm create -q --name a
	is "$(vmms | wc -l)" 2
	rm -rf state/vms/a
	is "$(gc_json --dry-run | jq -r '.items[] | select(.kind == "process") | .reason' | sort)" \
		"console keeper of a VM that is not there any more
virtual machine of a VM that is not there any more"
	is "$(vmms | wc -l)" 2
	run "$BANGER" gc
	is "$status" 0
	is "$(vmms | wc -l)" 1
	is "$(ls "$BANGER_RUN_DIR" | wc -l)" 1
	is "$("$BANGER" --state-dir other vm exec a -- echo here)" here
	rm -rf other/vms/a
	is "$(gc_json | jq -r '.items[] | select(.kind == "run directory") | .state')" foreign
	"$BANGER" --state-dir other gc
	nothing_runs
	is "$(ls "$BANGER_RUN_DIR")" ""
}

@test "what a killed VMM left is torn down; a VM that runs is not touched" {
	"$BANGER" vm create -q --name a
	"$BANGER" vm create -q --name b
	run "$BANGER" gc
	is "$output" "nothing to clean up"
	kill -KILL "$(pgrep -f "^$BANGER_QEMU_BIN.*vms/a/")"
	eventually_stopped a
	is "$(gc_json | jq -r '.items[] | "\(.kind) \(.name) \(.action) \(.done)"')" "vm a tear down true"
	[ ! -e state/vms/a/handles.json ]
	is "$("$BANGER" vm exec b -- echo here)" here
	is "$(ls "$BANGER_RUN_DIR" | wc -l)" 1
}

eventually_stopped()
{
	for _ in $(seq 100); do
		[ "$("$BANGER" vm show "$1" | jq -r .state)" != stopped ] || return 0
		sleep 0.05
	done
	return 1
}

@test "an interrupted start is completed or undone, one under way is busy" {
	crash_at=$(dirname "$BANGER")/tests/tools/crash_at
	"$BANGER" vm create -q --no-start --name a
	n=$("$crash_at" count "$BANGER" vm start -q a)
	"$BANGER" vm stop -q a
	seen=0
	for i in $(seq $((n / 3)) $((n / 12)) "$n"); do
		run "$crash_at" after "$i" "$BANGER" vm start -q a
		# How often a start looks for its VMM varies: the last points may lie behind its end.
		[ "$status" -eq 42 ] || [ "$i" -gt $((n * 3 / 4)) ]
		if [[ $("$BANGER" vm show a | jq -r .operation) == *interrupted* ]]; then
			seen=$((seen + 1))
			exec 8> state/vms/a/lock
			flock 8
			is "$(gc_json | jq -r '.items[] | select(.kind == "vm") | .state')" busy
			exec 8>&-
			is "$(gc_json | jq -r '.items[] | select(.kind == "vm") | .done')" true
		fi
		is "$("$BANGER" vm show a | jq -r .operation)" null
		"$BANGER" gc -q > /dev/null
		is "$("$BANGER" gc)" "nothing to clean up"
		[ "$("$BANGER" vm list -q -f state=running)" != a ] ||
			is "$("$BANGER" vm exec a -- echo here)" here
		"$BANGER" vm stop -q a
	done
	[ "$seen" -ge 3 ]
}

@test "a broken VM is named and kept" {
	"$BANGER" vm create -q --no-start --name a
	echo garbage > state/vms/a/spec.json
	is "$(gc_json | jq -r '.items[] | "\(.state) \(.action)"')" "broken keep"
	"$BANGER" vm delete -q a
	nothing_is_left
}

@test "downloads: old ones go, young ones stay" {
	"$BANGER" image cache prune
	mkdir -p state/cache/oci/downloads
	cd state/cache/oci/downloads
	echo new > "$(printf '%064d' 1)"
	echo old > "$(printf '%064d' 2)"
	touch -d '30 days ago' "$(printf '%064d' 2)"
	"$BANGER" gc
	is "$(ls)" "$(printf '%064d' 1)"
}
