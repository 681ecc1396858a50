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
	export BANGER_RUN_DIR=$BATS_TEST_TMPDIR/run
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
