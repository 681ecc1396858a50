# 'banger gc' and 'doctor --leaks' on what the kernel keeps for VMs, in a network namespace of each
# test's own.

load helpers

setup()
{
	setup_stub
	NS=
}

teardown()
{
	teardown_stub
	[ -z "$NS" ] || ip netns del "$NS" 2> /dev/null || true
}

setup_bridge()
{
	[ "$(id -u)" -eq 0 ] || skip "bridges and taps need root"
	needs ip
	needs nft
	[ -c /dev/net/tun ] || skip "there is no /dev/net/tun"
	ip netns add "bgr-leak-$$" || skip "network namespaces cannot be made"
	NS=bgr-leak-$$
	ip -n "$NS" link set lo up
	export BANGER_NET=bridge
}

# Another state directory, with the same image and kernel.
make_other()
{
	"$BANGER" --state-dir other image import -q --name small --size 16M tree > /dev/null
	cp -r state/kernels/fake other/kernels/
}

inside() { ip netns exec "$NS" "$@"; }
banger() { ip netns exec "$NS" "$BANGER" "$@" 3>&-; }
taps() { inside ip -o link | grep -o 'bgr[0-9a-f]*' | sort -u; }
elements() { inside nft list ruleset | grep -o '"bgr[0-9a-f]*" \. [0-9a-f:]* \. [0-9.]*' | sort; }
short() { banger "${@:2}" vm show "$1" | jq -r '.spec.id[:8]'; }
# "kind state action" of each row.
rows() { banger "$@" --json | jq -r '.items[] | "\(.kind): \(.state), \(.action)"' | LC_ALL=C sort; }

@test "what a VM had whose directory is gone is removed; what another state directory has is not" {
	setup_bridge
	make_other
	banger --state-dir other vm create -q --name a --nat
	banger vm create -q --name a --nat
	banger vm create -q --name b
	theirs=$(short a --state-dir other) gone=$(short a) b=$(short b)
	is "$(elements | wc -l)" 3
	is "$(banger gc)" "nothing to clean up"
	rm -r state/vms/a
	is "$(rows gc --dry-run)" "host name: abandoned, remove
lease: abandoned, remove
process: stray, end it
process: stray, end it
run directory: abandoned, remove
tap: abandoned, remove"
	is "$(elements | wc -l)" 3
	run banger gc
	is "$status" 0
	has "$output" "bgr$gone"
	is "$(taps)" "$(printf 'bgr%s\n' "$b" "$theirs" | sort)"
	has_not "$(elements)" "$gone"
	is "$(elements | wc -l)" 2
	run ! inside nft list counter inet banger "from_$gone"
	is "$(ls state/leases/ip)" "$(banger vm show b | jq -r .spec.address)"
	is "$(ls state/names | grep -v '\.')" b
	is "$(banger gc)" "nothing to clean up"

	# Their VM's directory goes as well: we tell, and they remove.
	rm -r other/vms/a
	is "$(rows gc | grep tap)" "tap: foreign, keep"
	has "$(taps)" "bgr$theirs"
	banger vm delete -q b
	has "$(elements)" "bgr$theirs"
	banger --state-dir other gc -q
	is "$(taps)" ""
	is "$(elements)" ""
	is "$(inside nft list tables)" ""
	is "$(inside ip -o link | grep -c br-banger)" 0
}

@test "a tap that tells nothing of whose it is stays, and so does a chance name" {
	setup_bridge
	banger vm create -q --no-start --name a
	inside ip tuntap add bgr01234567 mode tap
	inside ip tuntap add bgrmine mode tap
	is "$(rows gc)" "tap: unknown, keep"
	is "$(taps | wc -l)" 2
	inside ip link set bgr01234567 alias "/somewhere/vms/x 1-2"
	is "$(banger gc --json | jq -r '.items[] | "\(.state) \(.owner)"')" "foreign /somewhere/vms/x"
	# One whose record nobody can read may have any id.
	inside ip link set bgr01234567 alias "$PWD/state/vms/x $(stat -c '%D %i' state | xargs printf '%s-%x')"
	echo garbage > state/vms/a/spec.json
	is "$(rows gc | grep tap)" "tap: unknown, keep"
	banger vm delete -q a
	is "$(rows gc)" "lease: abandoned, remove
tap: abandoned, remove"
	is "$(taps)" "bgr"
	is "$(banger gc)" "nothing to clean up"
}

@test "the tap of a stopped VM is torn down, that of one under way is not" {
	setup_bridge
	banger vm create -q --name a
	banger vm create -q --name b
	tap=bgr$(short a)
	kill -KILL "$(pgrep -f "^$BANGER_QEMU_BIN.*vms/a/")"
	until [ "$(banger vm show a | jq -r .state)" = stopped ]; do sleep 0.05; done
	rm -rf state/vms/a/handles.json state/vms/a/initrd.img state/vms/a/forward.log \
		"${BANGER_RUN_DIR:?}/${tap#bgr}"
	is "$(rows gc --dry-run)" "tap: stray, tear down"
	exec 8> state/vms/a/lock
	flock 8
	is "$(rows gc)" "tap: busy, keep"
	exec 8>&-
	has "$(taps)" "$tap"
	is "$(rows gc)" "tap: stray, tear down"
	is "$(taps)" "bgr$(short b)"
	is "$(elements | wc -l)" 1
	is "$(banger gc)" "nothing to clean up"
}

@test "what lets a tap through that is not there, idle taps, the bridge of nobody" {
	setup_bridge
	banger vm create -q --name a
	banger vm create -q --name b
	tap=bgr$(short a)
	inside ip link delete "$tap"
	is "$(banger gc)" "nothing to clean up"
	rm -r state/vms/a
	is "$(rows gc | grep filter)" "filter element: abandoned, remove"
	is "$(elements | wc -l)" 1
	banger net warm -q 2
	banger gc
	is "$(rows gc | uniq -c | xargs)" "2 tap: idle, keep"
	inside ip link delete "bgr$(short b)"
	rm -r state/vms/b
	is "$(rows gc | grep -v process)" "bridge: abandoned, remove
filter element: abandoned, remove
host name: abandoned, remove
lease: abandoned, remove
run directory: abandoned, remove
tap: idle, keep
tap: idle, keep"
	is "$(inside nft list tables)" ""
	banger net warm -q 0
	is "$(inside ip -o link | grep -c 'bgr')" 0
	is "$(banger gc)" "nothing to clean up"
}

@test "doctor --leaks: as gc --dry-run, for observers, and its status tells" {
	setup_bridge
	run banger doctor --leaks
	is "$status" 0
	is "$output" "nothing to clean up"
	[ ! -e none ]
	run env BANGER_STATE_DIR="$PWD/none" "$BANGER" doctor --leaks
	is "$status" 0
	[ ! -e none ]
	banger vm create -q --name a
	inside ip tuntap add bgr01234567 mode tap
	run banger doctor --leaks
	is "$status" 0
	has "$output" "does not tell which state directory"
	rm -r state/vms/a
	touch -d '1 minute ago' state/.version.tmp-0123456789abcdef
	# On a read-only mount, with all locks held.
	exec 8< state/locks/net.lock
	find state -printf '%p %T@ %i\n' | sort > before
	flock 8
	run inside unshare -m sh -c 'mount --bind state state && mount -o remount,bind,ro state &&
		"$0" doctor --leaks --json' "$BANGER"
	exec 8>&-
	is "$status" 1
	is "$(jq -c '.items' <<< "$output")" "$(banger gc --dry-run --json | jq -c '.items')"
	is "$(jq -r '.items[].kind' <<< "$output" | LC_ALL=C sort -u | xargs)" \
		"host name lease process run directory tap temporary file"
	is "$(find state -printf '%p %T@ %i\n' | sort)" "$(cat before)"
	is "$(banger doctor --leaks -q | grep -c "^bgr")" 1
	run banger doctor --leaks --fix
	is "$status" 2
	banger gc -q
	run banger doctor --leaks
	is "$status" 0
}

# What /sys tells of devices and groups on a host that has some; the rest is this host's.
make_sys()
{
	mkdir -p "sys-root/sys/block" sys-root/sys/fs/cgroup
	touch sys-root/sys/fs/cgroup/cgroup.controllers
	ln -sfn /proc sys-root/proc
	ln -sfn /dev sys-root/dev
	export BANGER_SYSROOT=$PWD/sys-root
}

# fake_dm NUMBER NAME UUID LOOP...
fake_dm()
{
	local dir=sys-root/sys/block/dm-$1 loop

	mkdir -p "$dir/dm" "$dir/slaves"
	echo "$2" > "$dir/dm/name"
	echo "$3" > "$dir/dm/uuid"
	for loop in "${@:4}"; do
		mkdir -p "$dir/slaves/$loop" "sys-root/sys/block/$loop/holders/dm-$1"
	done
}

# fake_loop NAME FILE [AUTOCLEAR]
fake_loop()
{
	mkdir -p "sys-root/sys/block/$1/loop" "sys-root/sys/block/$1/holders"
	echo "$2" > "sys-root/sys/block/$1/loop/backing_file"
	echo "${3:-1}" > "sys-root/sys/block/$1/loop/autoclear"
}

tag_of() { stat -c '%D %i' "$1" | xargs printf '%s-%x'; }

@test "devices and groups are told by their tag: ours, another state directory's, nobody knows whose" {
	[ "$(id -u)" -eq 0 ] || skip "only root's VMs have devices"
	needs python3
	make_other
	"$BANGER" vm create -q --name a
	"$BANGER" vm create -q --no-start --name b
	make_sys
	a=$(short_of a) b=$(short_of b) tag=$(tag_of state) theirs=$(tag_of other)
	fake_dm 0 "banger-$a" "BANGER-1-2-$a.$tag"
	fake_dm 1 "banger-$b-base" "BANGER-1-2-$b-base.$tag"
	fake_dm 2 banger-01234567 "BANGER-1-3-01234567.$tag" loop0 loop1
	fake_dm 3 banger-01234567-base "BANGER-1-3-01234567-base.$tag"
	fake_dm 4 banger-11234567 BANGER-1-4-11234567
	fake_dm 5 banger-21234567 "BANGER-1-5-21234567.$theirs" loop2
	fake_dm 6 banger-31234567 "BANGER-1-6-31234567.$theirs" loop3
	fake_dm 7 banger-41234567 CRYPT-x
	fake_dm 8 vg-root LVM-x
	fake_loop loop0 "$PWD/state/images/small/rootfs.ext4"
	fake_loop loop1 "$PWD/state/vms/gone/root.cow (deleted)"
	fake_loop loop2 "$PWD/other/vms/gone/root.cow (deleted)"
	mkdir -p other/vms/there
	fake_loop loop3 "$PWD/other/vms/there/root.cow"
	fake_loop loop4 "$PWD/state/vms/gone/work.ext4 (deleted)"
	fake_loop loop5 "$PWD/state/vms/gone/root.img (deleted)" 0
	fake_loop loop6 /elsewhere/disk 0
	run "$BANGER" gc --dry-run --json
	is "$(jq -r '.items[] | "\(.name) \(.owner): \(.state), \(.action)"' <<< "${output//$b/41234567}" | LC_ALL=C sort)" "banger-01234567 $PWD/state/vms/gone: abandoned, remove
banger-01234567-base null: abandoned, remove
banger-11234567 null: unknown, keep
banger-21234567 $PWD/other/vms/gone: foreign, keep
banger-41234567-base vm b: stray, tear down
loop4 $PWD/state/vms/gone/work.ext4: in use, keep
loop5 $PWD/state/vms/gone/root.img: foreign, keep"

	rm -r sys-root/sys/block
	mkdir -p sys-root/sys/fs/cgroup/banger/banger-{01234567,11234567,21234567,"$a",x}
	set_tag banger-01234567 "$tag"
	set_tag banger-11234567 "$theirs"
	set_tag "banger-$a" "$tag"
	sleep 100 3>&- &
	echo $! > sys-root/sys/fs/cgroup/banger/banger-01234567/cgroup.procs
	is "$("$BANGER" gc --dry-run --json | jq -r '.items[] | "\(.name): \(.state), \(.action)"')" "banger-01234567: abandoned, remove
banger-11234567: foreign, keep
banger-21234567: unknown, keep"
	kill -0 $!
	rm -r sys-root/sys/fs/cgroup/banger/banger-{11234567,21234567,x}
	"$BANGER" gc -q || true # a directory with a file in it is no group that could be removed
	run wait $!
	is "$status" 143
	rm sys-root/sys/fs/cgroup/banger/banger-01234567/cgroup.procs
	is "$("$BANGER" gc -q)" banger-01234567
	is "$(ls sys-root/sys/fs/cgroup/banger)" "banger-$a"
}

short_of() { "$BANGER" vm show "$1" | jq -r '.spec.id[:8]'; }

set_tag()
{
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "trusted.banger", sys.argv[2].encode())' \
		"sys-root/sys/fs/cgroup/banger/$1" "$2" || skip "no attributes on this file system"
}
