#!/usr/bin/env bats
# Files to and from real machines.

load helpers

setup_file() { vm_setup_file; }
setup()
{
	vm_setup
	work=$BATS_TEST_TMPDIR/work
	mkdir -p "$work"
	cd "$work"
	"$BANGER" vm create -q --net none --name a > /dev/null
}
teardown()
{
	cd /
	vm_teardown
}

guest() { "$BANGER" vm exec a -- sh -c "$1"; }

# listing DIR - what is there, with modes, times, link targets and digests.
listing()
{
	(cd "$1" && find . -printf '%P %y %m %T@ %l\n' | sort &&
		find . -type f -exec sha256sum {} + | sort)
}

make_tree()
{
	mkdir -p "tree/sub dir/empty" tree/deep/er
	printf 'one\n' > "tree/sub dir/new
line"
	head -c 300000 /dev/urandom > tree/deep/er/bytes
	: > tree/nothing
	ln -s ../outside tree/link
	ln -s "sub dir" tree/dirlink
	chmod 0750 tree/deep
	chmod 0555 "tree/sub dir/empty"
	chmod 4755 tree/nothing
	touch -d '2001-02-03 04:05:06.789' tree/nothing
	touch -h -d '2002-02-03 04:05:06' tree/link
	touch -d '2003-02-03 04:05:06' tree/deep
	printf 'x' > "$(printf 'tree/%0200d' 1)"
}

@test "a tree there and back is the same: names, modes, times, links" {
	make_tree
	"$BANGER" vm cp tree a:/root
	[ "$(guest 'stat -c "%a %u" /root/tree/nothing')" = "4755 0" ]
	[ "$(guest 'readlink /root/tree/link')" = ../outside ]
	"$BANGER" vm cp a:/root/tree back
	# Set-id bits of a guest's files are not for this host.
	[ "$(stat -c %a back/nothing)" = 755 ]
	chmod 0755 tree/nothing
	diff <(listing tree) <(listing back)
	# Into the directory that is there now.
	"$BANGER" vm cp a:/root/tree back
	diff <(listing tree) <(listing back/tree)
}

@test "names follow cp: into what is there, under a new name where nothing is, contents with a dot" {
	echo one > f
	mkdir d && echo two > d/g
	"$BANGER" vm cp f a:/tmp
	"$BANGER" vm cp f a:/tmp/renamed
	"$BANGER" vm cp d a:/tmp/newdir
	"$BANGER" vm cp d a:/tmp/newdir
	"$BANGER" vm cp d/. a:/tmp/content
	"$BANGER" vm cp f a:
	[ "$(guest 'cat /tmp/f /tmp/renamed /tmp/newdir/g /tmp/newdir/d/g /tmp/content/g f')" = $'one\none\ntwo\ntwo\ntwo\none' ]
	mkdir out
	"$BANGER" vm cp a:/tmp/renamed out
	"$BANGER" vm cp a:/tmp/renamed out/other
	"$BANGER" vm cp a:/tmp/newdir out/dir
	"$BANGER" vm cp a:/tmp/newdir/. out/content
	[ "$(cat out/renamed out/other out/dir/g out/dir/d/g out/content/d/g)" = $'one\none\ntwo\ntwo\ntwo' ]
	echo longer than before > f
	"$BANGER" vm cp f a:/tmp/renamed
	[ "$(guest 'cat /tmp/renamed')" = "longer than before" ]
}

@test "what cannot be is refused before anything is copied" {
	echo one > f
	mkdir d
	refuse()
	{
		run "$BANGER" vm cp "${@:2}"
		echo "$output"
		[ "$status" -eq 1 ] && [[ $output == *"$1"* ]]
	}
	refuse "no 'missing' on this host" missing a:/tmp
	refuse "no '/missing' in the guest" a:/missing .
	refuse "no directory '/no'" f a:/no/such
	refuse "no directory '/tmp/x/'" f a:/tmp/x/
	refuse "no directory 'no'" a:/etc/passwd no/such
	refuse "is a file, not a directory" d a:/etc/passwd
	refuse "is a file, not a directory" a:/etc f
	refuse "neither a file nor a directory" a:/dev/null .
	refuse "no VM 'nobody'" f nobody:/tmp
	[ "$(find . | sort | tr '\n' ' ')" = ". ./d ./f " ]
	run "$BANGER" vm cp f g
	[ "$status" -eq 2 ]
	run "$BANGER" vm cp a:f a:g
	[ "$status" -eq 2 ]
	"$BANGER" vm stop -q a
	refuse "not running" f a:/tmp
}

@test "sparse files stay sparse, both ways" {
	truncate -s 300M sparse
	printf 'data' | dd of=sparse bs=1 seek=200000000 conv=notrunc status=none
	"$BANGER" vm cp sparse a:/root/sparse
	[ "$(guest 'wc -c < /root/sparse')" -eq 314572800 ]
	[ "$(guest 'du -k /root/sparse | cut -f1')" -lt 1000 ]
	"$BANGER" vm cp a:/root/sparse back
	cmp sparse back
	[ "$(du -k back | cut -f1)" -lt 1000 ]
}

@test "a tar archive on either side" {
	make_tree
	chmod 0755 tree/nothing
	tar --format=posix -c tree | "$BANGER" vm cp - a:/root/in
	"$BANGER" vm cp a:/root/in/tree - > out.tar
	mkdir out
	tar -x -C out -f out.tar
	diff <(listing tree) <(listing out/tree)
	run "$BANGER" vm cp - a:/root/bad <<< 'no archive'
	[ "$status" -eq 1 ]
	head -c 100000 out.tar > cut.tar
	run "$BANGER" vm cp - a:/root/bad < cut.tar
	[ "$status" -eq 1 ]
}

@test "links on either side lead nowhere else, special files are left out and told" {
	echo precious > precious
	ln -s precious link
	guest 'echo from the guest > /tmp/link; mkfifo /tmp/pipe; mkdir /tmp/dir; mkfifo /tmp/dir/pipe; echo x > /tmp/dir/x'
	"$BANGER" vm cp a:/tmp/link link
	[ "$(cat precious)" = precious ]
	[ "$(cat link)" = "from the guest" ]
	run "$BANGER" vm cp a:/tmp/dir .
	[ "$status" -eq 0 ]
	[[ $output == *"left out, as they are no files: devices, sockets and pipes (1)"* ]]
	[ "$(ls dir)" = x ]
	mkdir target
	ln -s "$work/target" dir/sub
	guest 'mkdir /tmp/dir/sub; echo y > /tmp/dir/sub/y'
	run "$BANGER" vm cp a:/tmp/dir/. dir
	[ "$status" -eq 1 ]
	[ -z "$(ls target)" ]
}

@test "as another user of the guest" {
	echo one > f
	"$BANGER" vm cp -u nobody f a:/tmp/theirs
	[ "$(guest 'stat -c %U /tmp/theirs')" = nobody ]
	run "$BANGER" vm cp -u nobody f a:/root/f
	[ "$status" -eq 1 ]
	guest 'echo secret > /root/secret; chmod 600 /root/secret'
	run "$BANGER" vm cp -u nobody a:/root/secret .
	[ "$status" -eq 1 ]
	[ ! -e secret ]
}
