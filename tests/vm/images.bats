#!/usr/bin/env bats
# What machines see of their images.

load helpers

setup_file() { vm_setup_file; }
setup() { vm_setup; }
teardown() { vm_teardown; }

@test "lesson 73: the image's own /root is the start of the work disk, whole, and not nested" {
	cd "$BATS_TEST_TMPDIR" || return 1
	mkdir tree
	debugfs -R "rdump / tree" "$FIXTURE/images/busybox/rootfs.ext4" 2> /dev/null
	rm -rf tree/lost+found tree/root
	mkdir -p tree/root/a/b/c tree/root/root
	chmod 0751 tree/root/a/b tree/root/root
	chmod 0755 tree/root/a tree/root/a/b/c
	echo deep > tree/root/a/b/c/file
	echo nested > tree/root/root/file
	ln -s a/b/c/file tree/root/link
	ln -s /etc/passwd tree/root/absolute
	echo run > tree/root/setuid
	mkfifo tree/root/fifo
	echo hidden > tree/root/.profile-of-image
	ln tree/root/.profile-of-image tree/root/root/second-name
	chown -R 1000:100 tree/root/a
	chmod 4711 tree/root/setuid
	chmod 0700 tree/root
	touch -d 2001-02-03T04:05:06Z tree/root/a/b/c/file tree/root/a
	tar -C tree -c . | "$BANGER" image import -q --name home - > /dev/null
	"$BANGER" vm run -q -d --name a --image home > /dev/null
	# shellcheck disable=SC2016 # for the guest's shell
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'cd /root || exit
		find . -mindepth 1 ! -name lost+found | sort | while read -r f; do
			stat -c "%n %A %u:%g %h" "$f"; done
		readlink link; readlink absolute; cat link root/file .profile-of-image
		stat -c %Y a/b/c/file; stat -c %a /root; grep -c " /root ext4" /proc/mounts'
	[ "$status" -eq 0 ]
	diff - <(echo "$output") <<-'END'
		./.profile-of-image -rw-r--r-- 0:0 2
		./a drwxr-xr-x 1000:100 3
		./a/b drwxr-x--x 1000:100 3
		./a/b/c drwxr-xr-x 1000:100 2
		./a/b/c/file -rw-r--r-- 1000:100 1
		./absolute lrwxrwxrwx 0:0 1
		./fifo prw-r--r-- 0:0 1
		./link lrwxrwxrwx 0:0 1
		./root drwxr-x--x 0:0 2
		./root/file -rw-r--r-- 0:0 1
		./root/second-name -rw-r--r-- 0:0 2
		./setuid -rws--x--x 0:0 1
		a/b/c/file
		/etc/passwd
		deep
		nested
		hidden
		981173106
		700
		1
	END
	# What is there later is the user's: it is not copied again.
	"$BANGER" vm exec a -- sh -c 'rm -r /root/a; echo mine > /root/link2; sync'
	"$BANGER" vm stop a > /dev/null
	"$BANGER" vm start a > /dev/null
	run --separate-stderr "$BANGER" vm exec a -- sh -c 'ls /root; cat /root/link2'
	[[ $output != *a$'\n'* ]]
	[[ $output == *mine ]]
}

@test "machines of a registered file boot, also after it was promoted; a changed file is refused" {
	local file=$BATS_TEST_TMPDIR/fs.img mode=qcow2

	[ "${VM_TESTS_VMM:-qemu}" = qemu ] || mode=dm # whatever reads the image at every start

	cp --sparse=always "$FIXTURE/images/busybox/rootfs.ext4" "$file"
	chmod 600 "$file"
	"$BANGER" image register -q --name here --rootfs "$file" --kernel-ref debian-12 > /dev/null
	"$BANGER" vm create -q --name a --image here --disk-mode "$mode" > /dev/null
	"$BANGER" vm exec a -- sh -c 'echo kept > /etc/kept; sync'
	"$BANGER" vm stop a > /dev/null
	touch "$file"
	run "$BANGER" vm start a
	[ "$status" -eq 1 ]
	[[ $output == *"VM 'a'"*"$file"*"was written to"* ]]
	run "$BANGER" vm create -q --no-start --name b --image here
	[ "$status" -eq 1 ]
	[[ $output == *"was written to"* ]]
	[ "$("$BANGER" vm list -q)" = a ]
	# As it was: the time is the only thing that differs.
	"$BANGER" vm delete a > /dev/null
	"$BANGER" image delete -q here 2> /dev/null || "$BANGER" image delete here > /dev/null
	"$BANGER" image register -q --name here --rootfs "$file" --kernel-ref debian-12 > /dev/null
	"$BANGER" vm create -q --name a --image here --disk-mode "$mode" > /dev/null
	"$BANGER" vm exec a -- sh -c 'echo kept > /etc/kept; sync'
	"$BANGER" image promote -q here > /dev/null
	rm "$file"
	"$BANGER" vm stop a > /dev/null
	"$BANGER" vm start a > /dev/null
	[ "$("$BANGER" vm exec a -- cat /etc/kept)" = kept ]
}

@test "two builds of one Debian suite give the same file system, to the byte" {
	only_qemu # makes no machine: once is enough
	for name in x y; do
		"$BANGER" image build -q --suite bookworm --minimal --include busybox --name $name > /dev/null
	done
	cmp "$BANGER_STATE_DIR"/images/{x,y}/rootfs.ext4
	e2fsck -fn "$BANGER_STATE_DIR/images/x/rootfs.ext4"
}

@test "a machine of an image that a registry has: pulled, booted, and its settings hold" {
	local port

	command -v docker-registry skopeo umoci > /dev/null || skip "docker-registry, skopeo or umoci is not installed"
	cd "$BATS_TEST_TMPDIR" || return 1
	port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	mkdir tree
	debugfs -R "rdump / tree" "$FIXTURE/images/busybox/rootfs.ext4" 2> /dev/null
	tar -C tree -cf 1.tar bin sbin etc usr lib tmp
	umoci init --layout app
	umoci new --image app:1
	umoci raw add-layer --image app:1 1.tar
	umoci config --image app:1 --config.env GREETING=hello --config.workingdir /tmp \
		--config.cmd /bin/sh
	printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
		"$PWD/data" "$port" > registry.yml
	docker-registry serve registry.yml > server.log 2>&1 3>&- &
	server=$!
	for _ in {1..100}; do
		! curl -s -o /dev/null "http://127.0.0.1:$port/v2/" || break
		sleep 0.1
	done
	skopeo copy -q --insecure-policy --dest-tls-verify=false oci:app:1 "docker://127.0.0.1:$port/app:1"
	# shellcheck disable=SC2016 # for the guest's shell
	run --separate-stderr "$BANGER" vm run -q --rm --image "127.0.0.1:$port/app:1" -- \
		sh -c 'echo "$GREETING from $PWD"'
	kill "$server"
	[ "$status" -eq 0 ]
	[ "$output" = "hello from /tmp" ]
	"$BANGER" image show app-1 | jq -e '.source_kind == "registry"'
}
