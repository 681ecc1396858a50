#!/usr/bin/env bats
# A repository goes into a real machine, a patch comes out.

load helpers

setup_file()
{
	vm_setup_file
}

setup()
{
	vm_setup
	REPO=$BATS_TEST_TMPDIR/repo
	make_repo "$REPO"
}

teardown()
{
	vm_teardown
}

make_repo()
{
	mkdir -p "$1/src"
	git -C "$1" init -q -b main
	git -C "$1" config user.name 'A "Quoted" Name'
	git -C "$1" config user.email me@example.org
	git -C "$1" remote add origin https://bob:secret@example.org/x.git
	for i in 1 2 3 4 5; do echo "file $i" > "$1/src/f$i"; done
	printf '#!/bin/sh\necho hi\n' > "$1/run.sh"
	chmod +x "$1/run.sh"
	ln -s ../outside "$1/src/link"
	printf 'a\0b\377' > "$1/binary"
	printf '*.o\nbuild/\n' > "$1/.gitignore"
	git -C "$1" add -A
	git -C "$1" commit -qm one
}

# tree DIR - names, types, executable bits, link targets and contents, without .git and ignored files.
tree()
{
	(cd "$1" && find . -name .git -prune -o \( -type f -o -type l \) ! -name '*.o' ! -path './build/*' \
		-printf '%P %y %l %m\n' | sed 's/ 0\?\([0-7]\)[0-7][0-7]$/ \1/' | sort
	 find . -name .git -prune -o -type f ! -name '*.o' ! -path './build/*' -print0 | sort -z |
		xargs -0 sha256sum)
}

edit='cd /root/repo && echo more >> src/f1 && rm src/f2 && chmod +x src/f3 && echo fresh > "new file" &&
	mkdir -p build && echo ignored > build/out && printf "\0\1\2" > binary && ln -sf nowhere src/link &&
	mv src/f4 src/moved'

@test "run copies the tracked files in, passes the status on, exports before --rm" {
	echo dirty >> "$REPO/src/f5"
	echo stays > "$REPO/untracked"
	run -7 --separate-stderr "$BANGER" vm run --rm --export "$BATS_TEST_TMPDIR/fix.patch" "$REPO" -- \
		sh -c "pwd; cat src/f5; ls untracked 2>&1; $edit; exit 7"
	[[ $output == "/root/repo"*"dirty"*"No such file"* ]]
	[[ $stderr == *"1 untracked file stays behind"* ]]
	[[ $stderr == *"has no git: only the files"* ]]
	git -C "$REPO" apply --check "$BATS_TEST_TMPDIR/fix.patch"
	git -C "$REPO" apply "$BATS_TEST_TMPDIR/fix.patch"
	[ "$(cat "$REPO/src/f1")" = $'file 1\nmore' ]
	[ ! -e "$REPO/src/f2" ] && [ -x "$REPO/src/f3" ] && [ ! -e "$REPO/build" ]
	[ "$(cat "$REPO/new file")" = fresh ] && [ "$(readlink "$REPO/src/link")" = nowhere ]
	[ "$(od -An -tx1 "$REPO/binary")" = ' 00 01 02' ]
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "run --apply changes the host's tree, and only one that is as it was sent" {
	"$BANGER" vm run --rm --export "$BATS_TEST_TMPDIR/p" --apply "$REPO" -- sh -c 'echo x >> src/f1'
	[ "$(cat "$REPO/src/f1")" = $'file 1\nx' ]
	[ -z "$(git -C "$REPO" diff --cached)" ]
	"$BANGER" vm run --name keep --export "$BATS_TEST_TMPDIR/q" "$REPO" -- sh -c 'echo y >> src/f3'
	echo mine >> "$REPO/src/f4"
	run -1 --separate-stderr "$BANGER" vm workspace export keep --apply
	[[ $stderr == *"'src/f4'"*"no longer what was sent"* ]]
	[ "$(cat "$REPO/src/f3")" = "file 3" ]
	"$BANGER" vm workspace export keep --apply --3way
	[ "$(cat "$REPO/src/f3")" = $'file 3\ny' ]
	[ "$(cat "$REPO/src/f4")" = $'file 4\nmine' ]
	# All of it is there: once more is no mistake, and no file is written, whatever else was changed since.
	"$BANGER" vm exec keep -- sh -c 'echo new > n; rm src/f2; ln -sf f1 src/link; mv src/f5 src/moved'
	git -C "$REPO" checkout -q src/f3 src/f4
	"$BANGER" vm workspace export keep -o "$BATS_TEST_TMPDIR/q"
	git -C "$REPO" apply "$BATS_TEST_TMPDIR/q"
	echo mine >> "$REPO/src/f4"
	find "$REPO" -printf '%p %i %C@ %T@\n' | sort > "$BATS_TEST_TMPDIR/before"
	for how in '' --3way; do
		run -0 --separate-stderr "$BANGER" vm workspace export keep --apply $how
		[[ $stderr == *"the changes were in $REPO already: nothing was touched"* ]]
		find "$REPO" -printf '%p %i %C@ %T@\n' | sort | diff "$BATS_TEST_TMPDIR/before" -
	done
	# One that is not there yet, and the tree is not what was sent.
	rm "$REPO/n"
	run -1 --separate-stderr "$BANGER" vm workspace export keep --apply
	[[ $stderr == *"'src/f4'"*"no longer what was sent"* ]]
	echo other > "$REPO/n"
	git -C "$REPO" checkout -q src/f4
	run -1 --separate-stderr "$BANGER" vm workspace export keep --apply
	[[ $stderr == *"'n' is new in the guest"*"nothing was applied"* ]]
}

@test "a patch that cannot be written keeps the machine" {
	run -125 --separate-stderr "$BANGER" vm run --rm --export /nonexistent/dir/p "$REPO" -- true
	[ -z "$("$BANGER" vm list -q)" ] # known beforehand: nothing was made
	mkdir "$BATS_TEST_TMPDIR/out"
	run -125 --separate-stderr "$BANGER" vm run --rm --name kept --export "$BATS_TEST_TMPDIR/out/p" "$REPO" -- \
		sh -c 'echo x > src/f1; echo ready > /tmp/ready; poweroff -f'
	[[ $stderr == *"VM 'kept' is kept"* ]]
	"$BANGER" vm start kept
	"$BANGER" vm workspace export kept -o "$BATS_TEST_TMPDIR/out/p"
	grep -q '^+x' "$BATS_TEST_TMPDIR/out/p"
}

@test "prepare again sends only what changed; what changed on both sides stops it" {
	"$BANGER" vm create -q --name dev
	"$BANGER" vm workspace prepare dev "$REPO"
	run -0 --separate-stderr "$BANGER" vm workspace prepare dev
	[[ $stderr == *"up to date"* ]]
	"$BANGER" vm exec dev -- sh -c 'echo guest >> src/f1; rm src/f5'
	echo host >> "$REPO/src/f2"
	rm "$REPO/src/f3"
	run -0 --separate-stderr "$BANGER" vm workspace prepare dev
	[[ $stderr == *"1 file (12B) went"*"1 removed there"* ]]
	run -0 "$BANGER" vm exec dev -- sh -c 'cat src/f1 src/f2; ls src'
	[ "$output" = $'file 1\nguest\nfile 2\nhost\nf1\nf2\nf4\nlink' ]
	echo host >> "$REPO/src/f1"
	run -1 --separate-stderr "$BANGER" vm workspace prepare dev
	[[ $stderr == *"changed in the guest: src/f1"* ]]
	[ "$("$BANGER" vm exec dev -- cat src/f1)" = $'file 1\nguest' ]
	"$BANGER" vm workspace prepare dev --overwrite
	[ "$("$BANGER" vm exec dev -- cat src/f1)" = $'file 1\nhost' ]
	# What the guest alone has done is still there to be exported.
	"$BANGER" vm workspace export dev --apply
	[ ! -e "$REPO/src/f5" ]
	run -0 "$BANGER" vm list
	[[ $output == *WORKSPACE*"$REPO"* ]]
}

@test "exec warns when the host's HEAD has moved, and --auto-prepare follows it" {
	"$BANGER" vm create -q --name dev
	"$BANGER" vm workspace prepare -q dev "$REPO"
	run -0 --separate-stderr "$BANGER" vm exec dev -- pwd
	[ "$output" = /root/repo ] && [ -z "$stderr" ]
	echo two >> "$REPO/src/f1"
	git -C "$REPO" commit -qam two
	run -0 --separate-stderr "$BANGER" vm exec dev -- cat src/f1
	[[ $stderr == *"--auto-prepare"* ]] && [ "$output" = "file 1" ]
	run -0 --separate-stderr "$BANGER" vm exec --auto-prepare dev -- cat src/f1
	[ "$output" = $'file 1\ntwo' ]
	run -0 --separate-stderr "$BANGER" vm exec dev -- true
	[ -z "$stderr" ]
}

@test "a workspace survives a restart of its machine, and a clone has it, too" {
	"$BANGER" vm create -q --name dev
	"$BANGER" vm workspace prepare -q dev "$REPO"
	"$BANGER" vm exec dev -- sh -c 'echo x >> src/f1; sync'
	"$BANGER" vm stop -q dev
	"$BANGER" vm clone -q dev twin
	"$BANGER" vm start -q dev
	run -0 "$BANGER" vm workspace export dev -q
	[[ $output == *"+x"* ]]
	"$BANGER" vm delete -q dev
	"$BANGER" vm start -q twin
	"$BANGER" vm exec twin -- sh -c 'echo y >> src/f2'
	run -0 "$BANGER" vm workspace export twin -q
	[[ $output == *"+x"*"+y"* ]]
	echo host >> "$REPO/src/f3"
	run -0 --separate-stderr "$BANGER" vm workspace prepare twin
	[[ $stderr == *"1 file (12B) went"* ]]
}

@test "a directory that is no repository goes with full_copy, and its changes come back" {
	mkdir -p "$BATS_TEST_TMPDIR/plain/sub"
	echo a > "$BATS_TEST_TMPDIR/plain/sub/a"
	run -125 --separate-stderr "$BANGER" vm run --rm "$BATS_TEST_TMPDIR/plain" -- true
	[[ $stderr == *"not in a git repository"*"full_copy"* ]]
	"$BANGER" vm run --rm --mode full_copy --export "$BATS_TEST_TMPDIR/p" "$BATS_TEST_TMPDIR/plain" -- \
		sh -c 'echo b >> sub/a; echo c > c'
	(cd "$BATS_TEST_TMPDIR/plain" && git apply "$BATS_TEST_TMPDIR/p")
	[ "$(cat "$BATS_TEST_TMPDIR/plain/sub/a")" = $'a\nb' ] && [ -e "$BATS_TEST_TMPDIR/plain/c" ]
}

@test "tools that a repository asks for: refused up front without a way out, else installed and logged" {
	echo 'jq 1.7' > "$REPO/.tool-versions"
	git -C "$REPO" add -A
	refused()
	{
		run -2 --separate-stderr "$BANGER" vm run -d "$@" "$REPO"
		[[ $stderr == *"asks for tools"*"could not reach the network"*"--no-bootstrap"* ]]
	}
	refused --net none
	BANGER_NET=none refused
	refused --net bridge
	BANGER_NAT=yes refused --net bridge --no-nat
	[ -z "$("$BANGER" vm list -q)" ]
	local way_out='--net user'
	[ "${VM_TESTS_VMM:-qemu}" = qemu ] || way_out='--net bridge --nat'
	# The first machine has no mise; the second one has, and it does not get far.
	# shellcheck disable=SC2086 # words
	run -0 --separate-stderr "$BANGER" vm run -d --name none $way_out "$REPO"
	[[ $stderr == *"the image has no mise: the repository's tools are not installed"* ]]
	export HOME=$BATS_TEST_TMPDIR XDG_CONFIG_HOME=$BATS_TEST_TMPDIR/.config
	mkdir -p "$XDG_CONFIG_HOME/banger"
	printf '#!/bin/sh\necho "mise $* in $(pwd)"; [ "$1" != install ]\n' > "$HOME/mise"
	printf '[file_sync mise]\nhost = ~/mise\nguest = ~/.local/bin/mise\nmode = 0755\n' \
		> "$XDG_CONFIG_HOME/banger/banger.conf"
	# shellcheck disable=SC2086 # words
	run -0 --separate-stderr "$BANGER" vm run -d --name some $way_out "$REPO"
	[[ $stderr == *"some of the repository's tools could not be installed; see /var/log/banger-bootstrap.log"* ]]
	run -0 "$BANGER" vm exec some -- cat /var/log/banger-bootstrap.log
	[ "$output" = $'mise trust -a in /root/repo\nmise install in /root/repo' ]
	run -0 --separate-stderr "$BANGER" vm run --rm --net none --no-bootstrap "$REPO" -- true
	[[ $stderr != *mise* ]]
}

@test "a dry run prints the list and makes nothing" {
	echo n > "$REPO/untracked"
	run -0 "$BANGER" vm run --dry-run "$REPO"
	[ "$output" = $'.gitignore\nbinary\nrun.sh\nsrc/f1\nsrc/f2\nsrc/f3\nsrc/f4\nsrc/f5\nsrc/link' ]
	run -0 "$BANGER" vm run --dry-run --include-untracked "$REPO"
	[[ $output == *untracked ]]
	[ -z "$("$BANGER" vm list -q)" ]
}

@test "bundle and tar have the same changes" {
	"$BANGER" vm create -q --name dev
	"$BANGER" vm workspace prepare -q dev "$REPO"
	"$BANGER" vm exec dev -- sh -c "$edit"
	"$BANGER" vm workspace export dev --format bundle -o "$BATS_TEST_TMPDIR/b"
	git -C "$REPO" fetch -q "$BATS_TEST_TMPDIR/b" banger/dev
	git clone -q "$REPO" "$BATS_TEST_TMPDIR/one"
	git -C "$BATS_TEST_TMPDIR/one" pull -q "$BATS_TEST_TMPDIR/b" banger/dev
	git clone -q "$REPO" "$BATS_TEST_TMPDIR/two"
	"$BANGER" vm workspace export dev -q | git -C "$BATS_TEST_TMPDIR/two" apply
	diff <(tree "$BATS_TEST_TMPDIR/one") <(tree "$BATS_TEST_TMPDIR/two")
	mkdir "$BATS_TEST_TMPDIR/three"
	"$BANGER" vm workspace export dev --format tar | tar -C "$BATS_TEST_TMPDIR/three" -x
	[ "$(cat "$BATS_TEST_TMPDIR/three/new file")" = fresh ]
	[ ! -e "$BATS_TEST_TMPDIR/three/src/f5" ]
}

@test "kill -9 at 20 moments of prepare and of export loses nothing" {
	local i
	"$BANGER" vm create -q --name dev
	mkdir "$REPO/many"
	for i in $(seq 300); do echo "$i" > "$REPO/many/$i"; done
	git -C "$REPO" add -A
	git -C "$REPO" commit -qm many
	"$BANGER" vm workspace prepare -q dev "$REPO"
	"$BANGER" vm exec dev -- sh -c 'echo guest >> src/f1'
	for i in $(seq 20); do
		for n in $(seq 100); do echo "round $i" >> "$REPO/many/$n"; done
		"$BANGER" vm workspace prepare -q dev &
		sleep "0.0$((i * 5 % 100))"
		kill -9 $! 2> /dev/null || true
		wait $! 2> /dev/null || true
		run -0 --separate-stderr "$BANGER" vm workspace prepare -q dev || { echo "$stderr" >&2; return 1; }
		[ "$("$BANGER" vm exec dev -- cat many/100)" = "$(cat "$REPO/many/100")" ]
		"$BANGER" vm workspace export -q dev -o "$BATS_TEST_TMPDIR/p.$i" &
		sleep "0.0$((i * 5 % 100))"
		kill -9 $! 2> /dev/null || true
		wait $! 2> /dev/null || true
		# There whole or not at all, and there after the next try.
		[ ! -e "$BATS_TEST_TMPDIR/p.$i" ] || git -C "$REPO" apply --check "$BATS_TEST_TMPDIR/p.$i"
		"$BANGER" vm workspace export -q dev -o "$BATS_TEST_TMPDIR/p.$i"
		[ "$(git apply --numstat "$BATS_TEST_TMPDIR/p.$i")" = $'1\t0\tsrc/f1' ]
	done
	[ ! -e "$BANGER_STATE_DIR/vms/dev/workspace-export" ]
}
