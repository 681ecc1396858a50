# 'vm delete' and 'vm prune' where work would be lost, and 'vm delete --force' from every state.

load helpers

setup()
{
	setup_stub
	PATCH=$BATS_TEST_TMPDIR/p.patch
}
teardown() { teardown_stub; }

# A VM "a" with a workspace.  The agent's part runs on this machine, and the guest's directory is guest/repo.
setup_workspace()
{
	needs git
	AGENT=$(dirname "$BANGER")/banger-agent
	[ -x "$AGENT" ] || skip "$AGENT is not built"
	git init -q -b main repo
	seq 9 > repo/old
	git -C repo add old
	git -C repo -c user.name=x -c user.email=x@x commit -q -m one
	mkdir -p guest
	start_workspace_vm
	"$BANGER" vm workspace prepare -q a repo --guest-path "$PWD/guest/repo"
}

start_workspace_vm() { STUB_VMM_AGENT=$AGENT "$BANGER" vm create -q --name a > /dev/null 3>&-; }

refused()
{
	run "$BANGER" "$@" < /dev/null
	is "$status" 1
	has "$output" "not exported"
	has "$output" "--force"
	is "$("$BANGER" vm list -q)" a
}

@test "a VM with changes that were not exported stays, running or not; exported ones let it go" {
	setup_workspace
	seq 20 > guest/repo/old
	refused vm delete a
	has "$output" "has changes"
	"$BANGER" vm workspace export --stat a > /dev/null
	refused vm delete a
	"$BANGER" vm workspace export -q -o "$PATCH" a
	echo more >> guest/repo/old
	refused vm delete a
	"$BANGER" vm workspace export -q -o "$PATCH" a
	"$BANGER" vm exec a -- true
	# Down, nobody can tell what that session did.
	"$BANGER" vm stop -q a
	refused vm delete a
	has "$output" "does not run"
	STUB_VMM_AGENT=$AGENT "$BANGER" vm start -q a 3>&-
	"$BANGER" vm workspace export -q a > /dev/null
	"$BANGER" vm stop -q a
	"$BANGER" vm delete -q a < /dev/null
	nothing_is_left
}

@test "nothing changed, or the directory is gone: nothing is asked; --force asks nothing either" {
	setup_workspace
	"$BANGER" vm delete -q a < /dev/null
	start_workspace_vm
	"$BANGER" vm workspace prepare -q a repo --guest-path "$PWD/guest/repo" --overwrite
	"$BANGER" vm stop -q a
	"$BANGER" vm delete -q a < /dev/null
	start_workspace_vm
	"$BANGER" vm workspace prepare -q a repo --guest-path "$PWD/guest/repo"
	rm -r guest/repo
	"$BANGER" vm delete -q a < /dev/null
	start_workspace_vm
	"$BANGER" vm workspace prepare -q a repo --guest-path "$PWD/guest/repo"
	echo new > guest/repo/new
	"$BANGER" vm delete -q --force a < /dev/null
	nothing_is_left
}

@test "a guest that does not answer, and a record that cannot be read: what may be lost stays" {
	setup_workspace
	"$BANGER" vm exec a -- true
	pid=$(vmms)
	kill -STOP "$pid"
	refused vm delete a
	has "$output" "does not tell"
	kill -CONT "$pid"
	cp state/vms/a/spec.json saved
	echo garbage > state/vms/a/spec.json
	refused vm delete a
	"$BANGER" vm delete -q -f a
	nothing_is_left
}

@test "on a terminal it is asked, and only yes removes" {
	needs script
	setup_workspace
	echo new > guest/repo/new
	run script -qec "'$BANGER' vm delete a" /dev/null <<< n
	is "$status" 1
	has "$output" "Delete it with them? [y/N]"
	is "$("$BANGER" vm list -q)" a
	run script -qec "'$BANGER' vm prune --stale 0s" /dev/null <<< y
	is "$status" 1
	has "$output" "not exported"
	is "$("$BANGER" vm list -q)" a
	run script -qec "'$BANGER' vm delete a" /dev/null <<< y
	is "$status" 0
	has "$output" "a: deleted"
	nothing_is_left
}

@test "prune takes such a VM only with --force; run --rm keeps its promise" {
	setup_workspace
	echo new > guest/repo/new
	"$BANGER" vm stop -q a
	run "$BANGER" vm prune < /dev/null
	is "$status" 1
	is "$("$BANGER" vm list -q)" a
	is "$("$BANGER" vm prune -q --force)" a
	rm -rf guest/repo
	STUB_VMM_AGENT=$AGENT "$BANGER" vm run -q --rm --name a --guest-path "$PWD/guest/repo" repo -- true 3>&-
	nothing_is_left
}

@test "run --rm --export that is killed leaves the VM with what was changed; without --export gc removes it" {
	setup_workspace
	"$BANGER" vm delete -q -f a
	for export in "--export $PATCH" ""; do
		rm -rf guest/repo
		# shellcheck disable=SC2086 # two words
		STUB_VMM_AGENT=$AGENT "$BANGER" vm run -q --rm $export --name a --guest-path "$PWD/guest/repo" repo \
			-- nap 100000 0 3>&- &
		pid=$!
		wait_for_command
		echo new > guest/repo/new
		kill -KILL "$pid"
		wait "$pid" || true
		if [ -n "$export" ]; then
			is "$("$BANGER" gc --json | jq '[.items[] | select(.kind == "vm")] | length')" 0
			# Its only thread naps; nobody knows what the guest has.
			refused vm delete a
			"$BANGER" vm delete -q -f a
		else
			is "$("$BANGER" gc --json | jq -r '.items[] | select(.kind == "vm") | .action')" delete
		fi
		nothing_is_left
	done
}

# Until the stand-in naps: it has no time for anybody then.
wait_for_command()
{
	for _ in $(seq 200); do
		! grep -q '"base"' state/vms/a/spec.json 2> /dev/null || break
		sleep 0.05
	done
	sleep 1
}

@test "delete --force from every state, with any file missing or broken" {
	local file what

	for what in created running stopped killed paused; do
		"$BANGER" vm create -q --no-start --name a
		[ "$what" = created ] || "$BANGER" vm start -q a 3>&-
		[ "$what" != stopped ] || "$BANGER" vm stop -q a
		[ "$what" != killed ] || kill -KILL "$(vmms)"
		[ "$what" != paused ] || kill -STOP "$(vmms)"
		"$BANGER" vm delete -q --force a
		nothing_is_left
	done
	for file in spec.json handles.json op.json lock events.jsonl session.lock root.img work.ext4; do
		for what in missing empty garbage newer directory; do
			# What cannot be locked cannot be removed safely either.
			[ "$file $what" != "lock directory" ] || continue
			"$BANGER" vm create -q --name a 3>&-
			break_file "state/vms/a/$file" "$what"
			run "$BANGER" vm delete -q --force a
			[ "$status" -eq 0 ] || { echo "$file $what: $output"; return 1; }
			nothing_is_left
		done
	done
}

# break_file FILE HOW
break_file()
{
	rm -rf "$1"
	case $2 in
	empty) : > "$1" ;;
	garbage) head -c 3000 /dev/urandom > "$1" ;;
	newer) echo '{"version":999}' > "$1" ;;
	directory) mkdir "$1" ;;
	esac
}

@test "delete --force where a start was cut off, and where one is under way" {
	! is_sanitized || skip "a sanitizer does not work under ptrace"
	crash_at=$(dirname "$BANGER")/tests/tools/crash_at
	"$BANGER" vm create -q --no-start --name a
	n=$("$crash_at" count "$BANGER" vm start -q a)
	"$BANGER" vm delete -q -f a
	for i in $(seq 5 $((n / 8)) "$n"); do
		"$BANGER" vm create -q --no-start --name a
		run "$crash_at" after "$i" "$BANGER" vm start -q a
		"$BANGER" vm delete -q --force a
		nothing_is_left
	done
	"$BANGER" vm create -q --no-start --name a
	exec 8< state/vms/a/lock
	flock 8
	run "$BANGER" --wait 0 vm delete -q --force a
	is "$status" 1
	has "$output" "a"
	exec 8<&-
	"$BANGER" vm delete -q --force a
	nothing_is_left
}

@test "a name that is there no more is not taken for the beginning of another VM's id" {
	"$BANGER" vm create -q --no-start --name web > /dev/null
	id=$("$BANGER" vm show web | jq -r .id)
	for length in 1 2 3; do
		run "$BANGER" vm delete --force "${id:0:length}"
		is "$status" 1
		has "$output" "there is no VM '${id:0:length}'"
	done
	is "$("$BANGER" vm show "${id:0:4}" | jq -r .name)" web
	"$BANGER" vm delete -q "${id:0:8}"
	nothing_is_left
}
