#!/usr/bin/env bats
# Repositories of real programs: built and changed in a machine, their patches on a fresh clone are the
# machine's trees.  One of them, three with WORKSPACE_REPOS=3 (make soak).

load helpers

setup_file()
{
	vm_setup_file --debian
	packages=(bzip2 musl zlib)
	local status=0
	SOURCES=$(bash "$BATS_TEST_DIRNAME/sources.sh" "${packages[@]:0:${WORKSPACE_REPOS:-1}}" 2> "$BATS_FILE_TMPDIR/reason") ||
		status=$?
	[ "$status" -ne 3 ] || skip "$(tail -n 1 "$BATS_FILE_TMPDIR/reason")"
	[ "$status" -eq 0 ] || { cat "$BATS_FILE_TMPDIR/reason" >&2; return 1; }
	export SOURCES
}

setup()
{
	vm_setup
	export BANGER_IMAGE=devel BANGER_MEMORY=1G BANGER_VCPU=2 HOME=$BATS_TEST_TMPDIR
	git config --global user.name Host
	git config --global user.email host@example.org
	git config --global init.defaultBranch main
	git config --global core.autocrlf false
	git config --global protocol.file.allow always
	REPO=$BATS_TEST_TMPDIR/repo
}

teardown()
{
	vm_teardown
}

commit_all()
{
	git -C "$1" add -A -f
	git -C "$1" commit -qm "$2"
}

# unpack PACKAGE - its upstream source as a repository
unpack()
{
	mkdir "$REPO"
	tar -x --no-same-owner --strip-components 1 -C "$REPO" -f "$(find "$SOURCES" -name "$1_*.orig.tar.*" ! -name '*.asc' | head -n 1)"
	git init -q "$REPO"
	printf '*.o\n*.lo\n*.a\n' >> "$REPO/.gitignore"
	commit_all "$REPO" upstream
}

# What must be the same: names, kinds, links, executable bits and contents of what is not ignored.
list='find . -name .git -prune -o ! -type d ! -name "*.o" ! -name "*.lo" ! -name "*.a" ! -path "./obj/*" \
	\( -perm /100 -printf "%p %y %l x\n" -o -printf "%p %y %l\n" \) | LC_ALL=C sort
	find . -name .git -prune -o -type f ! -name "*.o" ! -name "*.lo" ! -name "*.a" ! -path "./obj/*" -print0 |
	LC_ALL=C sort -z | xargs -0 sha256sum'

# there_and_back SCRIPT - run it in the guest; its patch on a fresh clone gives the guest's tree
there_and_back()
{
	"$BANGER" vm run -q --name dev --export "$BATS_TEST_TMPDIR/patch" "$REPO" -- sh -ec "$1"
	"$BANGER" vm exec dev -- sh -c "$list" > "$BATS_TEST_TMPDIR/guest"
	git clone -q --recurse-submodules "$REPO" "$BATS_TEST_TMPDIR/clone"
	find "$BATS_TEST_TMPDIR/clone" -name .git -prune -exec rm -rf {} +
	(cd "$BATS_TEST_TMPDIR/clone" && git apply --whitespace=nowarn "$BATS_TEST_TMPDIR/patch")
	(cd "$BATS_TEST_TMPDIR/clone" && sh -c "$list") | diff "$BATS_TEST_TMPDIR/guest" -
	[ "$(wc -l < "$BATS_TEST_TMPDIR/guest")" -gt "$2" ]
	[ -z "$(git -C "$REPO" status --porcelain)" ]
}

@test "bzip2, a source with binaries: built, used on its samples, changed" {
	unpack bzip2
	there_and_back 'make -j2 CFLAGS=-O0 bzip2
		for i in 1 2 3; do ./bzip2 -d -c sample$i.bz2 | cmp - sample$i.ref; done
		./bzip2 -k -9 sample1.ref
		cp sample2.ref sample3.ref; rm words1
		printf "\000\001" >> sample2.bz2
		sed -i "s/int /int  /" bzip2.c; git mv blocksort.c sorting.c
		git commit -qam "in the guest"; ln -s sorting.c blocksort.c' 60
	# What was compiled there is a program here.
	[ -x "$BATS_TEST_TMPDIR/clone/bzip2" ]
	run -0 git apply --numstat "$BATS_TEST_TMPDIR/patch"
	[[ $output == *$'-\t-\tsample3.ref'* ]] && [[ $output != *huffman.o* ]]
}

@test "musl, a source of thousands of files: configured, partly built, directories moved and removed" {
	[ "${WORKSPACE_REPOS:-1}" -ge 2 ] || skip "only with WORKSPACE_REPOS=3 (make soak)"
	unpack musl
	there_and_back './configure --disable-shared > /dev/null
		make -j2 obj/src/string/strstr.o obj/src/math/pow.o obj/crt/crt1.o > /dev/null
		git rm -rq arch/sh; git mv src/regex src/regexp; git commit -qm moved
		find src/math -name "*.c" -exec sed -i "1i /* seen */" {} +
		chmod +x src/time/*.c; rm -r src/complex; rm config.mak # (ignored)' 2000
}

@test "zlib, with a submodule of its contributions: built and changed in both" {
	[ "${WORKSPACE_REPOS:-1}" -ge 3 ] || skip "only with WORKSPACE_REPOS=3 (make soak)"
	unpack zlib
	mv "$REPO/contrib" "$BATS_TEST_TMPDIR/contrib"
	git init -q "$BATS_TEST_TMPDIR/contrib"
	commit_all "$BATS_TEST_TMPDIR/contrib" contrib
	git -C "$REPO" rm -rq --cached contrib
	git -C "$REPO" submodule --quiet add "$BATS_TEST_TMPDIR/contrib" contrib
	commit_all "$REPO" submodule
	there_and_back './configure --static > /dev/null; make -j2 CFLAGS=-O0 libz.a > /dev/null
		make -C contrib/minizip CFLAGS="-O0 -I../.." miniunz minizip > /dev/null 2>&1
		contrib/minizip/minizip -q packed.zip zlib.3.pdf contrib/minizip/zip.c > /dev/null
		rm contrib/minizip/make_vms.com; mv contrib/minizip/crypt.h contrib/minizip/moved.h
		sed -i "s/a/b/" contrib/minizip/zip.c; echo more >> zlib.h' 150
	[ -x "$BATS_TEST_TMPDIR/clone/contrib/minizip/minizip" ] && [ -s "$BATS_TEST_TMPDIR/clone/packed.zip" ]
}
