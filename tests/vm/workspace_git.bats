#!/usr/bin/env bats
# A guest that has git, and the host's repositories as they are found: one machine for all of a test.

load helpers

setup_file()
{
	vm_setup_file --debian
}

setup()
{
	vm_setup
	export BANGER_IMAGE=debian-bookworm BANGER_MEMORY=768M
	export HOME=$BATS_TEST_TMPDIR
	git config --global user.name Host
	git config --global user.email host@example.org
	git config --global init.defaultBranch main
	REPO=$BATS_TEST_TMPDIR/repo
	number=0
	make_repo "$REPO"
}

teardown()
{
	vm_teardown
}

# make_repo DIR - three commits
make_repo()
{
	local i
	git init -q "$1"
	mkdir "$1/src"
	for i in 1 2 3; do
		echo "file $i" > "$1/src/f$i"
		git -C "$1" add -A
		git -C "$1" commit -qm "commit $i"
	done
}

# send DIR [OPTION...] - to a place of its own in the guest, $at; what was said is in $stderr
send()
{
	number=$((number + 1))
	at=/root/w$number
	again "$@"
}

# again DIR [OPTION...] - to the same place
again()
{
	run --separate-stderr "$BANGER" vm workspace prepare dev "$1" --guest-path "$at" "${@:2}"
	echo "$stderr" >&2
	[ "$status" -eq 0 ]
}

guest() { "$BANGER" vm exec -w "$at" dev -- "$@"; }

# same DIR - the files in the guest are those in DIR: names, kinds, executable bits and contents
same()
{
	local list='find . -name .git -prune -o \( -type f -o -type l \) -print0 | sort -z | xargs -0 -n 1 sh -c "
		printf \"%s \" \"\$0\"; if [ -L \"\$0\" ]; then readlink \"\$0\"; else test -x \"\$0\" && echo x; sha256sum < \"\$0\"; fi"'
	diff <(cd "$1" && LC_ALL=C sh -c "$list") <(guest env LC_ALL=C sh -c "$list")
}

# Everything of a repository that a command could have touched.
fingerprint()
{
	(cd "$1" && git for-each-ref && cat .git/HEAD && sha256sum .git/index && find .git -type f | sort | sha256sum)
}

@test "the guest has a usable repository: HEAD, branch, depth, origin and author, and its commits come back" {
	"$BANGER" vm create -q --name dev
	git -C "$REPO" checkout -q -b feature/x
	git -C "$REPO" remote add origin https://bob:secret@example.org/x.git
	git -C "$REPO" config user.name 'A "Quoted" \Name'
	echo dirty >> "$REPO/src/f1"
	fingerprint "$REPO" > "$BATS_TEST_TMPDIR/before"
	send "$REPO"
	[ "$(guest git rev-parse HEAD)" = "$(git -C "$REPO" rev-parse HEAD)" ]
	[ "$(guest git symbolic-ref --short HEAD)" = feature/x ]
	[ "$(guest git rev-list --count HEAD)" = 1 ]
	[ "$(guest git remote get-url origin)" = https://example.org/x.git ]
	[ "$(guest git status --porcelain)" = " M src/f1" ]
	[ "$(guest git config user.name)" = 'A "Quoted" \Name' ]
	[ "$(guest git config user.email)" = host@example.org ]
	run "$BANGER" vm exec -w / dev -- git config --global user.name
	[ "$status" -eq 1 ]
	run guest grep -r secret .git
	[ "$status" -eq 1 ]
	same "$REPO"
	guest git fsck --strict
	# Committed, staged, changed and new: all of it comes back, and nothing in the guest changes by it.
	guest sh -c 'echo two >> src/f2; git commit -qam guest; echo three >> src/f3; git add -A; echo n > new; git gc -q'
	guest sh -c 'git for-each-ref; cat .git/HEAD; sha256sum .git/index' > "$BATS_TEST_TMPDIR/guest.before"
	"$BANGER" vm workspace export -q dev -o "$BATS_TEST_TMPDIR/patch"
	guest sh -c 'git for-each-ref; cat .git/HEAD; sha256sum .git/index' | diff "$BATS_TEST_TMPDIR/guest.before" -
	[ "$(git apply --numstat "$BATS_TEST_TMPDIR/patch")" = $'1\t0\tnew\n1\t0\tsrc/f2\n1\t0\tsrc/f3' ]
	fingerprint "$REPO" | diff "$BATS_TEST_TMPDIR/before" -
	# The host moves on: the guest's own commits stay where they are.
	git -C "$REPO" commit -qam four
	again "$REPO"
	[[ $stderr == *"the guest has commits of its own"* ]]
	send "$REPO" --depth 2
	[ "$(guest git rev-list --count HEAD)" = 2 ]
	[ -z "$(guest git status --porcelain)" ]
	echo more >> "$REPO/src/f1"
	git -C "$REPO" commit -qam five
	again "$REPO"
	[ "$(guest git rev-parse HEAD)" = "$(git -C "$REPO" rev-parse HEAD)" ]
	[ -z "$(guest git status --porcelain)" ]
	[ "$(guest tail -n 1 src/f1)" = more ]
	guest git fsck --strict
	again "$REPO" --depth 4
	[ "$(guest git rev-list --count HEAD)" = 4 ]
	again "$REPO" --mode full_copy
	[ "$(guest git rev-list --count HEAD)" = 5 ]
	[ -z "$(guest git status --porcelain)" ]
	send "$REPO" --mode full_copy
	[ "$(guest git rev-list --count HEAD)" = 5 ]
	guest git fsck --strict
	send "$REPO" --branch old --from HEAD~3
	[ "$(guest git symbolic-ref --short HEAD)" = old ]
	[ "$(guest git rev-parse HEAD)" = "$(git -C "$REPO" rev-parse HEAD~3)" ]
	[ "$(guest ls src)" = $'f1\nf2' ]
	[ -z "$(guest git status --porcelain)" ]
}

@test "a repository is taken as it is found: no commit, in a merge, in a rebase, detached, shallow, sparse" {
	"$BANGER" vm create -q --name dev
	# No commit yet.
	git init -q "$BATS_TEST_TMPDIR/unborn"
	echo one > "$BATS_TEST_TMPDIR/unborn/a"
	git -C "$BATS_TEST_TMPDIR/unborn" add a
	send "$BATS_TEST_TMPDIR/unborn"
	same "$BATS_TEST_TMPDIR/unborn"
	[ "$(guest git symbolic-ref --short HEAD)" = main ]
	guest sh -c 'echo two >> a; echo b > b'
	"$BANGER" vm workspace export -q dev -o "$BATS_TEST_TMPDIR/patch"
	git -C "$BATS_TEST_TMPDIR/unborn" apply "$BATS_TEST_TMPDIR/patch"
	same "$BATS_TEST_TMPDIR/unborn"
	# A conflict in the tree.
	git -C "$REPO" checkout -q -b side HEAD~1
	echo side > "$REPO/src/f1"
	git -C "$REPO" commit -qam side
	git -C "$REPO" checkout -q main
	echo main > "$REPO/src/f1"
	git -C "$REPO" commit -qam main
	run ! git -C "$REPO" merge -q side
	send "$REPO"
	[[ $stderr == *"in the middle of a merge"* ]]
	same "$REPO"
	[ "$(guest grep -c '<<<<' src/f1)" = 1 ]
	git -C "$REPO" merge --abort
	run ! git -C "$REPO" rebase -q side
	send "$REPO"
	[[ $stderr == *"in the middle of a rebase"* ]]
	same "$REPO"
	git -C "$REPO" rebase --abort
	# No branch.
	git -C "$REPO" checkout -q --detach
	send "$REPO"
	[ "$(guest git rev-parse HEAD)" = "$(git -C "$REPO" rev-parse HEAD)" ]
	run ! guest git symbolic-ref -q HEAD
	[ -z "$(guest git status --porcelain)" ]
	git -C "$REPO" checkout -q main
	# A shallow clone, with more history asked for than it has.
	git clone -q --depth 2 "file://$REPO" "$BATS_TEST_TMPDIR/shallow"
	send "$BATS_TEST_TMPDIR/shallow" --depth 9
	[ "$(guest git rev-list --count HEAD)" = 2 ]
	send "$BATS_TEST_TMPDIR/shallow" --mode full_copy
	[ "$(guest git rev-list --count HEAD)" = 2 ]
	guest git fsck --strict
	# A sparse checkout: what is not there on purpose is neither sent nor removed.
	mkdir "$REPO/other"
	echo o > "$REPO/other/o"
	git -C "$REPO" add -A
	git -C "$REPO" commit -qm other
	git -C "$REPO" sparse-checkout set other
	[ ! -e "$REPO/src" ]
	send "$REPO"
	same "$REPO"
	[ -z "$(guest git status --porcelain)" ]
	guest sh -c 'echo p >> other/o'
	"$BANGER" vm workspace export -q dev -o "$BATS_TEST_TMPDIR/patch"
	[ "$(git apply --numstat "$BATS_TEST_TMPDIR/patch")" = $'1\t0\tother/o' ]
	"$BANGER" vm workspace export -q dev --apply
	[ "$(cat "$REPO/other/o")" = $'o\np' ]
	[ ! -e "$REPO/src" ]
	git -C "$REPO" sparse-checkout disable
}

@test "work trees, submodules, strange names and links arrive; metadata_only brings no files; bare is refused" {
	"$BANGER" vm create -q --name dev
	git -C "$REPO" worktree add -q -b wt "$BATS_TEST_TMPDIR/wt"
	send "$BATS_TEST_TMPDIR/wt/src"
	same "$BATS_TEST_TMPDIR/wt"
	[ "$(guest git symbolic-ref --short HEAD)" = wt ]
	# A submodule in a submodule.
	make_repo "$BATS_TEST_TMPDIR/inner"
	make_repo "$BATS_TEST_TMPDIR/middle"
	git -C "$BATS_TEST_TMPDIR/middle" -c protocol.file.allow=always submodule --quiet add "$BATS_TEST_TMPDIR/inner" in
	git -C "$BATS_TEST_TMPDIR/middle" commit -qm in
	git -C "$REPO" -c protocol.file.allow=always submodule --quiet add "$BATS_TEST_TMPDIR/middle" 'the sub'
	git -C "$REPO" -c protocol.file.allow=always submodule --quiet update --init --recursive
	git -C "$REPO" commit -qm sub
	echo dirty >> "$REPO/the sub/in/src/f1"
	send "$REPO"
	same "$REPO"
	guest sh -c 'echo guest >> "the sub/in/src/f2"'
	"$BANGER" vm workspace export -q dev --apply
	[ "$(tail -n 1 "$REPO/the sub/in/src/f2")" = guest ]
	send "$REPO" --no-submodules
	[[ $stderr == *"1 submodule stays behind"* ]]
	[ -z "$(guest ls -A 'the sub')" ]
	[ -z "$(guest git status --porcelain)" ]
	guest sh -c 'echo top >> src/f1'
	"$BANGER" vm workspace export -q dev --apply
	[ "$(tail -n 1 "$REPO/src/f1")" = top ]
	again "$REPO" --no-submodules
	run -0 "$BANGER" vm exec --auto-prepare dev -- ls 'the sub'
	[ -z "$output" ]
	git -C "$REPO" submodule --quiet deinit -f 'the sub'
	send "$REPO"
	[[ $stderr == *"1 submodule stays behind: it is not checked out here"* ]]
	# Names that some file systems take for the same one, and links that lead out of the tree.
	make_repo "$BATS_TEST_TMPDIR/names"
	cd "$BATS_TEST_TMPDIR/names"
	echo 1 > Read
	echo 2 > READ
	echo 3 > $'\xc3\xa9'
	echo 4 > $'e\xcc\x81'
	echo 5 > $'bad\xff'
	ln -s /etc/passwd absolute
	ln -s ../../../outside relative
	printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%064d\nsize 5\n' 0 > large.bin
	git add -A
	git commit -qm names
	cd /
	send "$BATS_TEST_TMPDIR/names"
	[[ $stderr == *"pointers of Git LFS"* ]]
	same "$BATS_TEST_TMPDIR/names"
	[ -z "$(guest git status --porcelain)" ]
	[ "$(guest readlink absolute)" = /etc/passwd ]
	# Only the repository.
	send "$BATS_TEST_TMPDIR/names" --mode metadata_only
	[ "$(guest ls -A)" = .git ]
	guest git checkout -q .
	same "$BATS_TEST_TMPDIR/names"
	# No files, no copy; nothing is made for it.
	git clone -q --bare "$REPO" "$BATS_TEST_TMPDIR/bare.git"
	run -125 --separate-stderr "$BANGER" vm run --rm "$BATS_TEST_TMPDIR/bare.git" -- true
	[[ $stderr == *"bare repository"*"Clone it first"* ]]
	run -125 --separate-stderr "$BANGER" vm run --rm "$REPO/.git" -- true
	[[ $stderr == *"inside a .git directory"* ]]
	[ "$("$BANGER" vm list -q)" = dev ]
}

@test "another user of the guest has it at home; what goes to a user of the host who calls sudo is theirs" {
	"$BANGER" vm create -q --name dev --user alice
	"$BANGER" vm exec -u root dev -- useradd -M -s /bin/sh alice
	run -1 --separate-stderr "$BANGER" vm workspace prepare dev "$REPO"
	[[ $stderr == *"user 'alice' of the guest has no home directory"*"--guest-path"* ]]
	"$BANGER" vm exec -u root dev -- sh -c 'mkdir /home/alice && chown alice /home/alice'
	# The repository of an ordinary user, by way of root.
	home=$(mktemp -d /tmp/banger-user.XXXXXX)
	cp -a "$REPO" "$home/repo"
	chown -R 5:60 "$home"
	export SUDO_UID=5 SUDO_GID=60
	run -0 --separate-stderr "$BANGER" vm workspace prepare dev "$home/repo"
	[[ $stderr == *"went to /home/alice/repo"* ]]
	run -0 "$BANGER" vm exec dev -- sh -c 'pwd; stat -c %U . .git src/f1; git status --porcelain; echo x >> src/f1; mkdir d; echo y > d/new'
	[ "$output" = $'/home/alice/repo\nalice\nalice\nalice' ]
	"$BANGER" vm workspace export -q dev -o "$home/patch" --apply
	[ "$(cat "$home/repo/d/new")" = y ]
	[ -z "$(find "$home" ! -user 5 -print)" ]
	[ "$(stat -c %a "$home/repo/d")" = 755 ]
	# What this user may not read is not read for them.
	echo secret > "$home/repo/theirs"
	chmod 0600 "$home/repo/theirs"
	git -c safe.directory='*' -C "$home/repo" add theirs
	run -1 --separate-stderr "$BANGER" vm workspace prepare dev "$home/repo" --overwrite
	[[ $stderr == *"theirs"*"Permission denied"* ]]
	rm -r "$home"
}
