#!/bin/bash
# kill_sweep.sh [OPERATION...] - kill banger with SIGKILL just before and just after every system call
# by which it changes something, once each, and look whether the next commands complete or undo it.
#
# Killed before a point, the same command must succeed when it is given again (or say that what it
# makes is there).  Killed after it, 'vm delete' must succeed at once.  In both cases list and show
# answer first, and 'delete' and 'gc' leave no process, socket, file or directory behind.
#
# CRASH_MODES: what is done at each point: "before after", or "fail-ENOSPC" and other errors, which the
# system call then returns without effect (fault_sweep.sh): banger must end with a sentence, and the same
# command must succeed when it is given again.
# CRASH_POINTS: points for each operation, spread evenly; 0 = all of them.  "20 stop:5": 20, but 5 of stop.
# CRASH_ROTATE=yes: one of CRASH_MODES at each point, one after the other.
# CRASH_REAL=yes: with QEMU itself.  Prints TAP.
# shellcheck disable=SC2034 # args_OP and fine_OP are used by name
set -u
cd "$(dirname "$0")/../.." || exit 1
TOP=$PWD
# shellcheck source=tests/crash/world.bash
. tests/crash/world.bash
world_network "$0" "$@"
modes=${CRASH_MODES:-before after}
read -ra rotating <<< "$modes"
next=0
[ "${CRASH_ROTATE:-no}" = no ] || modes=${rotating[0]}
world_begin "${BANGER:-$TOP/build/banger}"
AGENT=$(dirname "$BANGER")/banger-agent

# ------------------------------------------------------------------------------- operations
# before_OP makes what the operation needs, OP is the operation, after_OP removes what is not a VM.

b() { "$BANGER" "$@"; }
before_create() { :; }
args_create=(vm create -q --no-start --name a)
before_start() { b vm create -q --no-start --name a; }
args_start=(vm start -q a)
before_stop() { b vm create -q --name a; }
args_stop=(vm stop -q a)
before_restart() { b vm create -q --name a; }
args_restart=(vm restart -q a)
before_kill() { b vm create -q --name a; }
args_kill=(vm kill -q a)
before_delete() { b vm create -q --name a; }
args_delete=(vm delete -q a)
before_set() { b vm create -q --no-start --name a; }
args_set=(vm set a --memory 128M --disk-size 32M --label x=y)
before_rename() { b vm create -q --no-start --name a; }
args_rename=(vm rename a b)
before_clone() { b vm create -q --no-start --name a; }
args_clone=(vm clone a b)
before_run() { :; }
args_run=(vm run -q --rm --name a -- echo hello)
before_import() { :; }
args_import=(image import -q --name other --size 16M "$WORLD/tree")
after_import() { b image delete other; }
before_prune() { b image import -q --name other --size 16M tree && b vm create -q --no-start --name a; }
args_prune=(image prune -f)
after_prune() { b image delete other; }
before_kernel() { :; }
args_kernel=(kernel import -q --name other "$WORLD/boot")
after_kernel() { b kernel delete other; }
before_pull() { b image cache prune; }
after_pull() { b image delete pulled; b image cache prune; }
before_cache() { b image pull -q --name pulled "$REGISTRY/app:1" && b image delete pulled; }
after_cache() { b image cache prune; }
before_reset() { b vm create -q --name a --disk-mode copy; }
args_reset=(vm reset -q --force a)
before_forward() { b vm create -q --name a; }
args_forward=(vm forward -d a 0:80)
args_lock=(image lock small)
before_lock() { :; }

# What killed commands and a lost VM leave.
before_gc()
{
	b vm create -q --no-start --name a && b vm create -q --name c && rm -r state/vms/c || return
	"$TOOLS/crash_at" after 40 "$BANGER" vm start -q a
	mkdir -p state/vms/.stage-x.999999 state/images/.stage-y
	touch -d '1 minute ago' state/.version.tmp-0123456789abcdef state/images/.stage-y/rootfs.ext4
}
args_gc=(gc -q)

# The agent's part runs on this machine, and the directory of the guest is one of this world.
workspace()
{
	rm -rf repo guest
	cp -a repo.saved repo
	mkdir guest
	STUB_VMM_AGENT=$AGENT b vm create -q --name a
}
prepare_send()
{
	[ -x "$AGENT" ] && command -v git > /dev/null || return 1
	git init -q -b main repo.saved && seq 9 > repo.saved/old && seq 99 > repo.saved/other &&
		git -C repo.saved add old other &&
		git -C repo.saved -c user.name=x -c user.email=x@x commit -q -m one &&
		ln -s old repo.saved/link
}
before_send() { workspace; }
args_send=(vm workspace prepare -q a repo --include-untracked --guest-path "$WORLD/guest/repo")
check_send() { diff -r -x .git repo guest/repo && git -C guest/repo rev-parse -q HEAD > /dev/null; }
prepare_export() { [ -d repo.saved ] || prepare_send; }
before_export()
{
	workspace && b "${args_send[@]}" && seq 20 > guest/repo/old && rm guest/repo/other &&
		echo new > guest/repo/new
}
args_export=(vm workspace export -q -o patch a)
check_export() { git -C repo apply --check ../patch && grep -q '^+new' patch; }
prepare_apply() { prepare_export; }
before_apply() { before_export; }
args_apply=(vm workspace export -q --apply a)
check_apply() { diff -r -x .git repo guest/repo && [ -z "$(find repo -name ".banger-put-*")" ]; }

# With a bridge, in the network of this script.
prepare_bridge() { [ "$WORLD_NET" = yes ]; }
on_bridge() { BANGER_NET=bridge b vm create -q --name a --nat "$@"; }
prepare_netcreate() { prepare_bridge; }
before_netcreate() { :; }
args_netcreate=(vm create -q --name a --net bridge --nat)
prepare_netstart() { prepare_bridge; }
before_netstart() { on_bridge --no-start; }
args_netstart=(vm start -q a)
prepare_netstop() { prepare_bridge; }
before_netstop() { on_bridge; }
args_netstop=(vm stop -q a)
prepare_netdelete() { prepare_bridge; }
before_netdelete() { on_bridge; }
args_netdelete=(vm delete -q a)
prepare_netset() { prepare_bridge; }
before_netset() { on_bridge; }
args_netset=(vm set -q a --no-nat)
prepare_netgc() { prepare_bridge; }
before_netgc() { on_bridge && rm -r state/vms/a; }
args_netgc=(gc -q)

# The same with the device mapper, loop devices and a bridge: for the lab.
prepare_devices() { [ "$WORLD_NET $WORLD_DEVICES" = "yes yes" ]; }
on_devices() { BANGER_NET=bridge b vm create -q --name a --nat --disk-mode dm "$@"; }
prepare_dmstart() { prepare_devices; }
before_dmstart() { on_devices --no-start; }
args_dmstart=(vm start -q a)
prepare_dmstop() { prepare_devices; }
before_dmstop() { on_devices; }
args_dmstop=(vm stop -q a)
prepare_dmdelete() { prepare_devices; }
before_dmdelete() { on_devices; }
args_dmdelete=(vm delete -q a)
prepare_dmreset() { prepare_devices; }
before_dmreset() { on_devices; }
args_dmreset=(vm reset -q --force a)

operations=(create start stop restart kill delete set reset rename clone run forward gc import lock prune
	kernel pull cache send export apply netcreate netstart netstop netdelete netset netgc)

# What each leaves when it is done, for the second try: success, or a fault with these words.  An id
# may begin with the 'a' that is no name any more.
fine_run="is a VM 'a' already" fine_create="is a VM 'a' already" fine_rename="VM '[ab]'" fine_clone="is a VM 'b' already"
fine_delete="no VM 'a'" fine_import="exists already" fine_kernel="is a kernel 'other' already"
fine_pull="exists already" fine_netcreate=$fine_create fine_netdelete=$fine_delete fine_dmdelete=$fine_delete

prepare_kernel()
{
	# shellcheck source=tests/fixtures/kernel.bash
	. "$TOP/tests/fixtures/kernel.bash"
	make_root "$WORLD/boot"
}

prepare_pull()
{
	local port

	command -v docker-registry umoci skopeo > /dev/null || return 1
	umoci init --layout oci && umoci new --image oci:1 &&
		tar -cf layer.tar tree && umoci raw add-layer --image oci:1 layer.tar || return 1
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	REGISTRY=127.0.0.1:$port
	cat > registry.yml <<-END
		version: 0.1
		log: {level: error}
		storage: {filesystem: {rootdirectory: $WORLD/registry-data}}
		http: {addr: "$REGISTRY"}
	END
	docker-registry serve registry.yml > /dev/null 2>&1 &
	SERVERS+=("$!")
	for _ in {1..100}; do
		! curl -sk -o /dev/null "http://$REGISTRY/v2/" || break
		sleep 0.1
	done
	skopeo copy -q --dest-tls-verify=false oci:oci:1 "docker://$REGISTRY/app:1" || return 1
	args_pull=(image pull -q --name pulled "$REGISTRY/app:1")
	args_cache=(image cache prune)
}

# ------------------------------------------------------------------------------- one point

complain()
{
	printf '# %s: %s point %d (%s): %s\n' "$op" "$mode" "$n" "$(name_of "$n")" "$*"
	bad=$((bad + 1))
}

# The system call that point $1 of the operation is.
name_of() { sed -n "s/^$1 //p" "$WORLD/points" | head -n 1; }

observe()
{
	local name

	timeout 20 "$BANGER" vm list > out 2>&1 || complain "list: $(cat out)"
	for name in $("$BANGER" vm list -q); do
		timeout 20 "$BANGER" vm show "$name" > out 2>&1 || complain "show: $(cat out)"
	done
}

# What runs after the second try is whole.
usable()
{
	local name

	for name in $("$BANGER" vm list -q -f state=running); do
		timeout 20 "$BANGER" vm exec "$name" -- echo hello > out 2>&1 || complain "exec: $(cat out)"
		"$BANGER" vm show "$name" | jq -e '.operation == null and .handles.driver != null' \
			> /dev/null || complain "show: $("$BANGER" vm show "$name" | jq -c '.operation, .handles')"
	done
}

again()
{
	local -n fine="fine_$op"

	timeout 60 "$BANGER" "$@" > out 2>&1 && {
		! declare -F "check_$op" > /dev/null || "check_$op" > out 2>&1 ||
			complain "again, and it is not done: $(cat out)"
		return
	}
	[ -n "${fine:-}" ] && grep -q "$fine" out || complain "again: $(cat out)"
	# What was made before may still be half of it.
	timeout 60 "$BANGER" gc > out 2>&1 || complain "gc: $(cat out)"
}

clean()
{
	local left

	for name in $("$BANGER" vm list -q); do
		timeout 60 "$BANGER" vm delete -q --force "$name" > out 2>&1 || complain "delete: $(cat out)"
	done
	timeout 60 "$BANGER" gc > out 2>&1 || complain "gc: $(cat out)"
	! declare -F "after_$op" > /dev/null || "after_$op" > /dev/null 2>&1
	left=$(leaks "$first")
	[ -n "$left" ] || return
	complain "left: $left; gc said: $(cat out)"
	# Not to blame the next one.
	# shellcheck disable=SC2046 # numbers
	kill -KILL $(ours) 2> /dev/null
	network_clear
	rm -rf state run
	cp -a saved state
	mkdir -m 0700 run
}

sweep_point()
{
	local status

	"before_$op" > out 2>&1 || complain "prepare: $(cat out)"
	# shellcheck disable=SC2086 # "fail ENOSPC" is two words
	timeout 60 "$TOOLS/crash_at" ${mode/-/ } "$n" "$BANGER" "$@" > out 2>&1 < /dev/null
	status=$?
	swept=$((swept + 1))
	case $mode:$status in
	fail*:0 | *:42) ;;
	fail*:[12] | fail*:125)
		grep -q '^banger: .' out || complain "no sentence: status $status: $(cat out)"
		;;
	fail*) complain "status $status: $(cat out)" ;;
	*)
		# Threads and lengths of answers vary: one point more or less is not a fault.  Where a real
		# VMM or device is waited for, the points are as many as the looks at it.
		[ "$n" -ge $((total - total / slack - 2)) ] ||
			complain "not killed: status $status: $(cat out)"
		;;
	esac
	observe
	[ "$mode" = after ] || {
		again "$@"
		usable
	}
	clean
}

# How many points of operation $1.
points_of()
{
	local word points=10

	for word in ${CRASH_POINTS:-10}; do
		case $word in
		"$1":*) points=${word#*:} ;;
		*:*) ;;
		*) points=$word ;;
		esac
	done
	echo "$points"
}

sweep()
{
	local op=$1 mode n total slack=10 step n_modes swept=0 bad=0 first began=$SECONDS points_max

	points_max=$(points_of "$op")
	local -n args="args_$op"

	! declare -F "prepare_$op" > /dev/null || "prepare_$op" > out 2>&1 || {
		echo "ok $number - $op # skip $(tail -n 1 out)"
		return
	}
	[ "${CRASH_REAL:-no}" = no ] && [ "$WORLD_DEVICES" = no ] || slack=2
	first=$(world_list)
	"before_$op" > out 2>&1
	"$TOOLS/crash_at" list "$BANGER" "${args[@]}" 2> points > out
	grep '^[0-9]* [a-z]' points > points.only; mv points.only points
	total=$(wc -l < points)
	mode=never n=0
	clean
	n_modes=$(wc -w <<< "$modes")
	step=1
	[ "$points_max" -eq 0 ] || step=$(((total + points_max - 1) / points_max))
	[ "$step" -gt 0 ] || step=1
	# Another residue in each sweep, so that samples differ while any one can be repeated.
	for ((n = 1 + ${CRASH_OFFSET:-0} % step; n <= total; n += step)); do
		for mode in $modes; do
			sweep_point "${args[@]}"
		done
		[ "${CRASH_ROTATE:-no}" = no ] || {
			next=$(((next + 1) % ${#rotating[@]}))
			modes=${rotating[next]}
		}
	done
	# Only looking may be without a point.
	[ "$bad" -eq 0 ] && { [ "$total" -gt 0 ] || [ "$op" = lock ]; } || printf 'not '
	echo "ok $number - $op: $swept of $((total * n_modes)) points, $bad bad, $((SECONDS - began)) s"
}

[ $# -eq 0 ] || operations=("$@")
echo "1..${#operations[@]}"
rm -f out
cp -a state saved
number=0
for op_name in "${operations[@]}"; do
	number=$((number + 1))
	[ "$op_name" != cache ] || [ -n "${REGISTRY:-}" ] || prepare_pull > /dev/null 2>&1
	sweep "$op_name"
done
