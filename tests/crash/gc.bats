# What 'banger gc' clears away, and what it leaves alone.

load ../cli/helpers

setup() { setup_stub; }
teardown() { teardown_stub; }

# On a host where others have VMs, too, their taps may be told: that they stay is tested in cli/leaks.bats.
gc_json()
{
	"$BANGER" gc --json "$@" | jq '.items |= map(select(.kind != "tap" and .kind != "filter element"))'
}

nothing_to_do() { is "$(gc_json "$@" | jq -c .items)" "[]"; }

# A process that was killed while it made VM $1.
dead_pid()
{
	sh -c 'echo $$'
}

@test "gc on nothing: says so, and makes nothing" {
	run env BANGER_STATE_DIR="$PWD/none" "$BANGER" gc --dry-run
	is "$status" 0
	[ "$(id -u)" -eq 0 ] || is "$output" "nothing to clean up"
	[ ! -e none ]
	nothing_to_do
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
	nothing_to_do
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
		nothing_to_do
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

@test "a run directory whose removal is cut off is removed by the next gc, wherever that was" {
	crash_at=$(dirname "$BANGER")/tests/tools/crash_at
	cut=0
	abandoned_run_dir
	n=$("$crash_at" count "$BANGER" gc -q 2> /dev/null | grep -o '[0-9]*' | tail -n 1)
	for i in $(seq "$n" -1 1); do
		abandoned_run_dir
		"$crash_at" after "$i" "$BANGER" gc -q > /dev/null 2>&1 || true
		! [ -e "$BANGER_RUN_DIR/0123abcd/qmp" ] || break # it has not begun
		[ -z "$(ls -A "$BANGER_RUN_DIR")" ] || cut=$((cut + 1))
		"$BANGER" gc -q > /dev/null
		is "$(ls -A "$BANGER_RUN_DIR")" ""
	done
	[ "$cut" -ge 4 ]
}

abandoned_run_dir()
{
	mkdir -p "$BANGER_RUN_DIR/0123abcd/sub"
	ln -sfn "$PWD/state/vms/gone" "$BANGER_RUN_DIR/0123abcd/vm"
	touch "$BANGER_RUN_DIR/0123abcd/qmp" "$BANGER_RUN_DIR/0123abcd/sub/x"
}

# In the background a VM $1 with 'vm run --rm', until it is in use; its pid is RUN.
run_rm()
{
	"$BANGER" vm run -q --rm --name "$1" -- nap 100000 0 > out 2>&1 3>&- &
	RUN=$!
	for _ in $(seq 200); do
		[ ! -e "state/vms/$1/session.lock" ] || return 0
		sleep 0.05
	done
	cat out
	return 1
}

@test "the VM of a 'vm run --rm' that was killed goes by gc or prune, never while that lives" {
	run_rm a
	is "$("$BANGER" vm show a | jq -r .spec.ephemeral.pid)" "$RUN"
	nothing_to_do
	"$BANGER" vm prune -f -q
	is "$("$BANGER" vm list -q)" a
	kill -KILL "$RUN"
	wait "$RUN" || true
	is "$(gc_json --dry-run | jq -r '.items[] | "\(.kind) \(.name) \(.state) \(.action)"')" "vm a orphaned delete"
	exec 8> state/vms/a/session.lock
	flock -s 8
	is "$(gc_json | jq -r '.items[] | "\(.state) \(.action)"')" "busy keep"
	exec 8>&-
	exec 8> state/vms/a/lock
	flock 8
	is "$(gc_json | jq -r '.items[] | "\(.state) \(.action)"')" "busy keep"
	exec 8>&-
	is "$("$BANGER" gc -q)" a
	nothing_is_left
	run_rm b
	kill -KILL "$RUN"
	wait "$RUN" || true
	is "$("$BANGER" vm prune -f -q)" b
	nothing_is_left
	# Of another boot, and one whose number somebody else has now.
	"$BANGER" vm create -q --no-start --name c
	for owner in '{"pid":1,"start_ticks":5,"boot_id":"00000000-0000-0000-0000-000000000000"}' \
		"{\"pid\":$$,\"start_ticks\":5,\"boot_id\":\"$(cat /proc/sys/kernel/random/boot_id)\"}"; do
		jq -c ".ephemeral = $owner" state/vms/c/spec.json > spec
		cat spec > state/vms/c/spec.json
		is "$(gc_json --dry-run | jq -r '.items[].state')" orphaned
	done
	"$BANGER" vm clone -q c d > /dev/null
	is "$("$BANGER" vm show d | jq -r .spec.ephemeral.pid)" 0
	is "$("$BANGER" gc -q)" c
	is "$("$BANGER" vm list -q)" d
}
