# helpers.bash - a world of its own for each test: state, home and configuration in a directory that
# bats removes.

bats_require_minimum_version 1.5.0
BANGER=${BANGER:-$BATS_TEST_DIRNAME/../../build/banger}
# shellcheck disable=SC2034 # for the tests
TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

setup() { setup_world; }

setup_world()
{
	export BANGER_STATE_DIR=$BATS_TEST_TMPDIR/state HOME=$BATS_TEST_TMPDIR/home
	export BANGER_RUN_DIR=$BATS_TEST_TMPDIR/run BANGER_NET=user
	export XDG_CONFIG_HOME=$HOME/.config
	unset XDG_STATE_HOME XDG_RUNTIME_DIR NO_COLOR SUDO_UID SUDO_GID
	mkdir -p "$HOME"
	cd "$BATS_TEST_TMPDIR" || return 1
}

# Prints what differs, and fails, when $1 is not $2.
is()
{
	[ "$1" = "$2" ] && return
	printf 'got:      %s\nexpected: %s\n' "$1" "$2"
	return 1
}

# Fails when text $1 does not contain $2.
has()
{
	[[ $1 == *"$2"* ]] && return
	printf 'no "%s" in:\n%s\n' "$2" "$1"
	return 1
}

# Fails when text $1 contains $2.
has_not()
{
	[[ $1 != *"$2"* ]] && return
	printf 'there is "%s" in:\n%s\n' "$2" "$1"
	return 1
}

# All commands that are not hidden, groups included, one per line: what completion offers, so that
# nothing can be left out by hand.
all_commands()
{
	local word sub

	"$BANGER" internal complete -- '' | cut -f1 | while read -r word; do
		echo "$word"
		! is_group "$word" ||
			"$BANGER" internal complete -- "$word" '' | cut -f1 | while read -r sub; do
				echo "$word $sub"
			done
	done
}

is_group()
{
	"$BANGER" help "$1" | grep -q "^Usage: banger $1 COMMAND"
}

# The names of the options on help page $1, without dashes.
help_options()
{
	# shellcheck disable=SC2086 # a command is several words
	"$BANGER" help $1 | sed -n '/^Options:/,/^$/s/^ *\(-., \)\{0,1\}--\([a-z-]*\).*/\2/p'
}

# Is the program under test one with sanitizers?  They do not work under ptrace and have system
# calls of their own.
is_sanitized()
{
	grep -q __asan_init "$BANGER"
}

needs()
{
	command -v "$1" >/dev/null || skip "$1 is not installed"
}

# A world with a stand-in for QEMU, an image and a kernel: VMs without guests.
setup_stub()
{
	setup_world
	unset BANGER_QEMU_BIN
	STUB=$(dirname "$BANGER")/tests/tools/stub_vmm
	[ -x "$STUB" ] || skip "$STUB is not built: make unit-build"
	# A name of its own, so that no other test's processes are counted.
	cp "$STUB" "$BATS_TEST_TMPDIR/stub-$$"
	export BANGER_QEMU_BIN=$BATS_TEST_TMPDIR/stub-$$
	BANGER_RUN_DIR=$(mktemp -d /tmp/bgr.XXXXXX)
	export BANGER_RUN_DIR BANGER_IMAGE=small BANGER_KERNEL=fake BANGER_DISK_SIZE=16M
	export BANGER_MEMORY=64M BANGER_VCPU=1
	mkdir tree
	echo content > tree/file
	"$BANGER" image import -q --name small --size 16M tree > /dev/null
	mkdir -p "$BANGER_STATE_DIR/kernels/fake"
	cd "$BANGER_STATE_DIR/kernels/fake" || return 1
	echo kernel > vmlinux
	echo initrd > initrd.img
	echo '{"version":1,"name":"fake","release":"6.1.0","arch":"'"$(dpkg --print-architecture)"'",
		"source":"a test","created":"2026-01-01T00:00:00Z","vmlinux_sha256":"00",
		"vmlinux_bytes":7,"has_modules":false}' > kernel.json
	cd "$BATS_TEST_TMPDIR" || return 1
}

teardown_stub()
{
	local pid

	for pid in $(vmms); do
		kill -KILL "$pid"
	done
	rm -rf "$BANGER_RUN_DIR"
}

# Pids of the stand-ins that run, zombies left out.
vmms()
{
	# Without a name this would be every process of the machine.
	[ -n "${BANGER_QEMU_BIN:-}" ] || return 0
	pgrep -r R,S,D -f "^$BANGER_QEMU_BIN" || true
}

# Fails when a stand-in goes on running.
nothing_runs()
{
	for _ in $(seq 100); do
		[ -n "$(vmms)" ] || return 0
		sleep 0.05
	done
	echo "still running:"
	pgrep -a -f "^$BANGER_QEMU_BIN"
	return 1
}

nothing_is_left()
{
	is "$(ls -A "$BANGER_STATE_DIR/vms")" ""
	is "$(ls -A "$BANGER_RUN_DIR")" ""
	nothing_runs
}
