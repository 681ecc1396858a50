#!/bin/bash
# run.sh [--beside "SUITE..."] SUITE... - run test suites and count.
#
# --beside runs suites at the same time as the others, one after the other: virtual machines keep one
# core busy and the rest another.  What they print comes at the end.
#
#   lint      every tests/lint/*.sh
#   unit      every tests/unit/*.c, built
#   asan      the same under AddressSanitizer and UndefinedBehaviorSanitizer
#   fuzz      every fuzz target on its seeds only
#   cli       tests/cli/*.bats
#   cli-asan  the same with the sanitized program
#   crash     tests/crash/*.bats, the sweeps of tests/crash/*_sweep.sh and tests/crash/soak.sh
#   vm        tests/vm/*.bats: real virtual machines, but for
#   workspace tests/vm/workspace*.bats
#   lab       tests/lab/*.bats, inside a virtual machine where KVM works
#
# A suite is a set of programs that print TAP.  Their output is kept in build/test-logs.  What
# failed and why tests were skipped is printed at the end, and last one line:
# "N passed, N failed, N skipped".  The exit status is non-zero when anything failed or nothing ran.
set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
build=${BUILD:-build}
logs=$build/test-logs
passed=0 failed=0 skipped=0
declare -a failures=() skips=()

# The developer's own settings must not steer the tests.
export LAB_FIRECRACKER=${BANGER_FIRECRACKER:-} # for the lab suite
for name in $(compgen -e BANGER_); do
	unset "$name"
done
unset XDG_CONFIG_HOME XDG_STATE_HOME NO_COLOR MAKEFLAGS MAKELEVEL MFLAGS
export LC_ALL=C.UTF-8
export ASAN_OPTIONS=exitcode=99:detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1

# Count the TAP in file $3; $1 is what ran, $2 its exit status, $4 the file with its messages.
count()
{
	local label=$1 status=$2 tap=$3 messages=$4
	local line plan=0 ok=0 bad=0 skip=0 reason

	while IFS= read -r line; do
		case $line in
		1..[0-9]*)
			plan=${line#1..}
			plan=${plan%%[!0-9]*}
			;;
		"not ok "*" # SKIP"*) # cmocka's way
			skip=$((skip + 1))
			skips+=("$label: ${line#not ok }")
			;;
		"not ok "*)
			bad=$((bad + 1))
			failures+=("$label: ${line#not ok }")
			;;
		"ok "*"# skip"* | "ok "*"# SKIP"*)
			skip=$((skip + 1))
			reason=${line#ok }
			[[ ! $reason =~ ^(.*)\ in\ [0-9]+ms(\ #.*)$ ]] || # how long it took not to be done
				reason=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
			skips+=("$label: ${reason#* }")
			;;
		"ok "*) ok=$((ok + 1)) ;;
		esac
	done < "$tap"
	if [ $((ok + bad + skip)) -lt "$plan" ]; then
		failures+=("$label: ended after $((ok + bad + skip)) of $plan tests, status $status")
		bad=$((bad + plan - ok - bad - skip))
	elif [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
		failures+=("$label: ended with status $status")
		bad=1
	elif [ $((ok + bad + skip)) -eq 0 ]; then
		failures+=("$label: no test ran")
		bad=1
	fi
	passed=$((passed + ok)) failed=$((failed + bad)) skipped=$((skipped + skip))
	printf '%-44s %4d passed %3d failed %3d skipped %5d s\n' "$label" "$ok" "$bad" "$skip" \
		"$((SECONDS - began))"
	if [ "$bad" -gt 0 ]; then
		sed 's/^/    /' "$tap" "$messages" | grep -v '^    ok '
	fi
}

# run_tap LABEL LIMIT COMMAND... - run a program that prints TAP, for at most LIMIT seconds.
run_tap()
{
	local label=$1 limit=$2 log=$logs/${1//\//-} status=0
	began=$SECONDS

	shift 2
	timeout --kill-after=10 "$limit" "$@" > "$log.tap" 2> "$log.err" < /dev/null || status=$?
	count "$label" "$status" "$log.tap" "$log.err"
}

# run_plain LABEL LIMIT COMMAND... - run a program that is one test.
run_plain()
{
	local label=$1 limit=$2 log=$logs/${1//\//-} status=0
	began=$SECONDS

	shift 2
	timeout --kill-after=10 "$limit" "$@" > "$log.err" 2>&1 < /dev/null || status=$?
	if [ "$status" -eq 0 ]; then
		printf '1..1\nok 1 - %s\n' "$label" > "$log.tap"
	else
		printf '1..1\nnot ok 1 - %s (status %d)\n' "$label" "$status" > "$log.tap"
	fi
	count "$label" "$status" "$log.tap" "$log.err"
}

run_lint()
{
	local script

	for script in tests/lint/*.sh; do
		run_plain "lint/$(basename "$script" .sh)" 600 "$script"
	done
}

# $1: suite, $2: build directory
run_unit()
{
	local source name

	for source in tests/unit/*.c; do
		name=$(basename "$source" .c)
		CMOCKA_MESSAGE_OUTPUT=TAP run_tap "$1/$name" 300 "$2/tests/unit/$name"
	done
}

run_fuzz()
{
	local source name

	for source in tests/fuzz/*.c; do
		[ -e "$source" ] || continue
		name=$(basename "$source" .c)
		run_plain "fuzz/$name" 300 "$build/fuzz/tests/fuzz/$name" -runs=0 -timeout=10 \
			"tests/fuzz/seeds/$name"
	done
}

# Killed, failing and fuzzed, sampled; all of it in 'make soak'.
run_crash()
{
	local script name

	for script in tests/crash/*_sweep.sh; do
		name=$(basename "$script" .sh)
		BANGER=$top/$build/banger run_tap "crash/$name" "${CRASH_LIMIT:-1200}" "$script"
		sed -n 's/^ok [0-9]* - /    /p' "$logs/crash-$name.tap"
	done
	BANGER=$top/$build/banger run_tap crash/soak "$((${SOAK_SECONDS:-20} + 300))" tests/crash/soak.sh
	sed -n 's/^ok [0-9]* - /    /p' "$logs/crash-soak.tap"
	run_bats crash "crash/*" "$build/banger" 300 900
}

# $1: suite, $2: which files of tests, a pattern, $3: program under test, $4: limit of one test, $5: limit of one file
run_bats()
{
	local file

	# shellcheck disable=SC2231 # a pattern
	for file in tests/$2.bats; do
		[ -e "$file" ] || continue
		BANGER=$top/$3 BATS_TEST_TIMEOUT=$4 \
			run_tap "$1/$(basename "$file" .bats)" "$5" bats --timing --formatter tap "$file"
	done
}

# What ran beside joins the counts.
join_beside()
{
	local line last

	wait "$beside" || true
	last=$(tail -n 1 "$logs/beside.out")
	if [[ ! $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
		cat "$logs/beside.out"
		failures+=("what ran beside ended without a count")
		failed=$((failed + 1))
		return
	fi
	passed=$((passed + BASH_REMATCH[1]))
	failed=$((failed + BASH_REMATCH[2]))
	skipped=$((skipped + BASH_REMATCH[3]))
	while IFS= read -r line; do
		case $line in
		"skipped: "*) skips+=("${line#skipped: }") ;;
		"FAILED: "*) failures+=("${line#FAILED: }") ;;
		"$last") ;;
		*) printf '%s\n' "$line" ;;
		esac
	done < "$logs/beside.out"
}

beside=
if [ "${1:-}" = --beside ]; then
	rm -rf "$logs"
	mkdir -p "$logs"
	read -ra suites <<< "$2"
	RUN_BESIDE=yes BANGER_FIRECRACKER=$LAB_FIRECRACKER tests/run.sh "${suites[@]}" \
		> "$logs/beside.out" 2>&1 &
	beside=$!
	trap 'kill "$beside" 2> /dev/null' EXIT
	shift 2
fi
[ $# -gt 0 ] || { sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2; exit 2; }
if [ -z "$beside" ] && [ -z "${RUN_BESIDE:-}" ]; then
	rm -rf "$logs"
	mkdir -p "$logs"
fi
for suite in "$@"; do
	case $suite in
	lint) run_lint ;;
	unit) run_unit unit "$build" ;;
	asan) run_unit asan "$build/asan" ;;
	fuzz) run_fuzz ;;
	cli) run_bats cli "cli/*" "$build/banger" 120 900 ;;
	cli-asan) run_bats cli-asan "cli/*" "$build/asan/banger" 240 1200 ;;
	crash) run_crash ;;
	vm) run_bats vm "vm/[!w]*" "$build/banger" 600 1800 ;;
	workspace) run_bats vm "vm/workspace*" "$build/banger" 600 1800 ;;
	lab) # with a real Firecracker the tests of vm run once more
		LAB_LIMIT=$([ -n "$LAB_FIRECRACKER" ] && echo 5400 || echo 1400)
		LAB_LIMIT=$LAB_LIMIT BANGER=$top/$build/banger run_tap lab $((LAB_LIMIT + 100)) tests/lab/run.sh
		;;
	*)
		echo "run.sh: there is no suite '$suite'" >&2
		exit 2
		;;
	esac
done

[ -z "$beside" ] || join_beside
[ ${#skips[@]} -eq 0 ] || printf 'skipped: %s\n' "${skips[@]}"
[ ${#failures[@]} -eq 0 ] || printf 'FAILED: %s\n' "${failures[@]}"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
