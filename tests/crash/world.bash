# world.bash - a state directory with a stand-in for QEMU, one image and one kernel, and a check that
# nothing but these is left of whatever was done in it.

WORLD=$(mktemp -d /tmp/bgr-crash.XXXXXX)
export BANGER_STATE_DIR=$WORLD/state BANGER_RUN_DIR=$WORLD/run HOME=$WORLD/home
export XDG_CONFIG_HOME=$HOME/.config LC_ALL=C.UTF-8
export BANGER_NET=user BANGER_IMAGE=small BANGER_KERNEL=fake BANGER_DISK_SIZE=16M BANGER_MEMORY=64M BANGER_VCPU=1
unset XDG_STATE_HOME XDG_RUNTIME_DIR SUDO_UID SUDO_GID
declare -a SERVERS=()

# Run the script $1 with what follows once more, in a network of its own, when that can be had: then
# WORLD_NET is "yes".
world_network()
{
	[ -z "${WORLD_NET:-}" ] || return 0
	export WORLD_NET=no
	[ "$(id -u)" -ne 0 ] || [ ! -c /dev/net/tun ] || ! command -v nft ip > /dev/null ||
		! unshare --net --mount true 2> /dev/null || WORLD_NET=yes
	[ "$WORLD_NET" = yes ] || return 0
	# Links are looked up in /sys, which shows those of whoever mounted it.
	# shellcheck disable=SC2016 # for the inner shell
	exec unshare --net --mount sh -c \
		'mount -t sysfs sysfs /sys && ip link set lo up && exec "$@"' sh "$@"
}

# The directory of tools that are built with the tests, for program $1.
world_begin()
{
	BANGER=$1
	TOOLS=${CRASH_TOOLS:-$(dirname "$BANGER")/tests/tools}
	[ -x "$TOOLS/stub_vmm" ] && [ -x "$TOOLS/crash_at" ] || {
		echo "Bail out! the tools are not built: make unit-build"
		exit 1
	}
	trap world_end EXIT
	trap 'exit 1' INT TERM HUP
	# A name of its own, so that no other test's processes are counted.
	cp "$TOOLS/stub_vmm" "$WORLD/stub-vmm"
	export BANGER_QEMU_BIN=$WORLD/stub-vmm BANGER_VMM=qemu # whatever else the host has
	WORLD_DEVICES=no
	[ "$(id -u)" -ne 0 ] || ! dmsetup targets 2> /dev/null | grep -q '^snapshot ' || WORLD_DEVICES=yes
	mkdir -p "$HOME" "$BANGER_RUN_DIR" "$WORLD/tree"
	chmod 0700 "$BANGER_RUN_DIR"
	cd "$WORLD" || exit 1
	[ "${CRASH_REAL:-no}" = no ] || { real_world; return; }
	echo content > tree/file
	"$BANGER" image import -q --name small --size 16M tree > /dev/null || exit 1
	make_fake_kernel "$BANGER_STATE_DIR/kernels/fake"
	"$BANGER" image cache prune > /dev/null
	"$BANGER" vm create -q --no-start --name a > /dev/null && "$BANGER" vm delete -q a
}

# With QEMU itself, and the kernel and an image of the VM tests.
real_world()
{
	local fixture

	unset BANGER_QEMU_BIN BANGER_DISK_SIZE
	fixture=$(BANGER_STATE_DIR='' "$TOP/tests/vm/fixture.sh") || exit 1
	mkdir -m 0700 state
	cp -al "$fixture"/{version,kernels,images} state/ 2> /dev/null ||
		cp -a "$fixture"/{version,kernels,images} state/ || exit 1
	export BANGER_IMAGE=busybox BANGER_KERNEL=debian-12 BANGER_MEMORY=256M
	"$BANGER" vm create -q --no-start --name a > /dev/null && "$BANGER" vm delete -q a
}

make_fake_kernel()
{
	mkdir -p "$1"
	echo kernel > "$1/vmlinux"
	echo initrd > "$1/initrd.img"
	echo '{"version":1,"name":"fake","release":"6.1.0","arch":"'"$(dpkg --print-architecture)"'",
		"source":"a test","created":"2026-01-01T00:00:00Z","vmlinux_sha256":"00",
		"vmlinux_bytes":7,"has_modules":false}' > "$1/kernel.json"
}

world_end()
{
	local pid

	for pid in $(ours) "${SERVERS[@]}"; do
		kill -KILL "$pid" 2> /dev/null
		wait "$pid" 2> /dev/null
	done
	cd /
	rm -rf "$WORLD"
}

# Processes that name this world, but for this script and what it runs; zombies left out.
ours()
{
	pgrep -r R,S,D -f "$WORLD/(stub-vmm|state|run)" | grep -vx "$$" || true
}

# What is on the disk, without lock files, which stay, and without what is meant to stay.
world_list()
{
	(cd "$WORLD" && find state run -mindepth 1 ! -path 'state/locks*' ! -path 'state/ssh*' \
		! -path 'state/cache/oci*' ! -path state/names ! -path state/leases ! -path state/leases/ip ! -path state/cache/CACHEDIR.TAG ! -path 'state/kernels/fake*' -printf '%p %y\n' |
		LC_ALL=C sort)
}

network_clear()
{
	local link

	[ "${WORLD_NET:-no}" = yes ] || return 0
	for link in $(ip -o link | grep -o 'bgr[0-9a-f]\{8\}\|br-banger' | sort -u); do
		ip link del "$link"
	done
	nft delete table inet banger 2> /dev/null
	nft delete table bridge banger 2> /dev/null
}

# Prints what is left over; nothing when all is well.  $1: what was there at first.
leaks()
{
	local tries left=

	# A process that was told to end may need a moment.
	for tries in 1 2 3 4 5 6 7 8 9 10 20 30 40; do
		left=$(ours)
		[ -n "$left" ] || break
		sleep "0.0$tries"
	done
	[ -z "$left" ] || pgrep -a -f "$WORLD/(stub-vmm|state|run)" | sed 's/^/process /'
	diff <(echo "$1") <(world_list) | sed -n 's/^[<>]/&/p'
	[ "${WORLD_NET:-no}" = no ] || {
		ip -o link | grep -o 'bgr[0-9a-f]\{8\}\|br-banger' | sort -u
		nft list tables | grep banger
	}
	[ "$WORLD_DEVICES" = no ] || {
		dmsetup ls | grep -o '^banger-[^[:space:]]*'
		losetup -n -O BACK-FILE | grep "$WORLD/"
	}
}
