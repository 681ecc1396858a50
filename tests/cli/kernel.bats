load helpers

load ../fixtures/kernel.bash

teardown()
{
	[ ! -e cleanup ] || rm -rf "$(cat cleanup)"
}

# A package $1 from the root directory $2; what follows goes to tar.
make_deb()
{
	local deb=$1 root=$2

	shift 2
	rm -f "$deb" data.tar control.tar
	echo 2.0 > debian-binary
	tar -cf control.tar --files-from /dev/null
	tar -C "$root" --sort=name -cf data.tar "$@" .
	xz -0f data.tar
	gzip -nf control.tar
	ar rcS "$deb" debian-binary control.tar.gz data.tar.xz
}

# No kernel, no staging directory and no temporary file.
nothing_left()
{
	is "$(find state/kernels -mindepth 1 2>/dev/null)" ""
	is "$(find state/cache -type f ! -name CACHEDIR.TAG 2>/dev/null)" ""
}

# Fails with a sentence that has text $1, and leaves nothing; the command follows.
refused()
{
	local text=$1

	shift
	run "$BANGER" "$@"
	is "$status" 1
	has "$output" "$text"
	nothing_left
}

disk_file()
{
	debugfs -R "cat $2" "state/kernels/$1/modules.ext4" 2>/dev/null
}

@test "a Debian package becomes a kernel" {
	needs debugfs
	make_root root
	make_deb linux.deb root
	run --separate-stderr "$BANGER" kernel import linux.deb
	is "$status" 0
	is "$output" "$RELEASE"
	is "$(ls state/kernels)" "$RELEASE"
	is "$(ls -A "state/kernels/$RELEASE" | tr '\n' ' ')" "initrd.img kernel.json modules.ext4 vmlinux "
	cmp "state/kernels/$RELEASE/vmlinux" "root/boot/vmlinuz-$RELEASE"
	is "$(stat -c %a "state/kernels/$RELEASE/vmlinux")" 400
	e2fsck -fn "state/kernels/$RELEASE/modules.ext4"
	is "$(disk_file "$RELEASE" /modules.dep)" "$(cat "root/lib/modules/$RELEASE/modules.dep")"
	has "$(disk_file "$RELEASE" /kernel/drivers/usbcore.ko)" usbcore
	is "$(disk_file "$RELEASE" /build)" ""
	is "$("$BANGER" kernel list -q)" "$RELEASE"
	has "$("$BANGER" kernel list)" amd64
}

@test "the initial RAM disk holds the needed modules in load order and nothing else" {
	needs cpio
	make_root root
	xz "root/lib/modules/$RELEASE/kernel/drivers/virtio_blk.ko"
	sed -i 's/virtio_blk.ko:/virtio_blk.ko.xz:/' "root/lib/modules/$RELEASE/modules.dep"
	"$BANGER" kernel import -q --name a root
	is "$(cpio -t --quiet < state/kernels/a/initrd.img | tr '\n' ' ')" "modules modules/virtio_ring.ko \
modules/virtio.ko modules/virtio_pci.ko modules/virtio_blk.ko modules/virtio_console.ko \
modules/overlay.ko modules/virtio_net.ko banger banger/modules.list "
	mkdir unpacked
	(cd unpacked && cpio -id --quiet < ../state/kernels/a/initrd.img)
	is "$(head -n 2 unpacked/banger/modules.list)" "/modules/virtio_ring.ko
/modules/virtio.ko"
	has "$(cat unpacked/modules/virtio_blk.ko)" "ELF virtio_blk"
	is "$("$BANGER" kernel show a | jq -r '.initrd_modules | join(" ")')" \
		"virtio_ring virtio virtio_pci virtio_blk virtio_console overlay virtio_net"
}

@test "a directory, a directory with usr/lib and a file with --modules all work" {
	make_root root
	"$BANGER" kernel import -q --name directory root
	mkdir root/usr
	mv root/lib root/usr/lib
	"$BANGER" kernel import -q --name usr root
	"$BANGER" kernel import -q --name tree --modules root/usr/lib/modules/$RELEASE root/boot/vmlinuz-*
	"$BANGER" kernel import -q --name top --modules root root/boot/vmlinuz-*
	"$BANGER" kernel import -q --name modules --modules root/usr/lib/modules root/boot/vmlinuz-*
	is "$("$BANGER" kernel list -q | tr '\n' ' ')" "directory modules top tree usr "
	is "$("$BANGER" kernel list --json | jq -r '.[].release' | sort -u)" "$RELEASE"
}

@test "a kernel with everything built in needs no modules" {
	make_vmlinux vmlinux "$RELEASE"
	OPTIONS=${OPTIONS//=m/=y} make_config "config-$RELEASE"
	"$BANGER" kernel import -q --name bare vmlinux
	is "$("$BANGER" kernel show bare | jq -c '[.has_modules, .initrd_modules]')" '[false,[]]'
	rm -r state "config-$RELEASE"
	refused "neither a configuration nor modules" kernel import vmlinux
}

@test "everything that a kernel lacks is named at once" {
	make_root root
	sed -i -e /VIRTIO_PCI/d -e /EXT4/d -e /DEVTMPFS/d "root/boot/config-$RELEASE"
	rm "root/lib/modules/$RELEASE/kernel/drivers/virtio_blk.ko"
	sed -i /virtio_blk/d "root/lib/modules/$RELEASE/modules.dep"
	make_deb linux.deb root
	refused "CONFIG_VIRTIO_PCI or CONFIG_VIRTIO_MMIO, CONFIG_VIRTIO_BLK, CONFIG_EXT4_FS, CONFIG_DEVTMPFS" \
		kernel import linux.deb
}

@test "a taken name is refused, and replaced with --force" {
	make_root root
	"$BANGER" kernel import -q --name a root
	run "$BANGER" kernel import -q --name a root
	is "$status" 1
	has "$output" "there is a kernel 'a' already"
	has "$output" --force
	rm "root/lib/modules/$RELEASE/kernel/drivers/overlay.ko"
	sed -i /overlay/d "root/lib/modules/$RELEASE/modules.dep"
	"$BANGER" kernel import -q --force --name a root
	has_not "$("$BANGER" kernel show a)" overlay
	is "$(ls -A state/kernels)" a
}

@test "modules of another release are refused" {
	make_root root
	mv "root/lib/modules/$RELEASE" root/lib/modules/6.1.0-98-test
	refused "has no modules for release $RELEASE" kernel import root
	make_deb linux.deb root
	refused "its modules are for 6.1.0-98-test" kernel import linux.deb
	make_tree other 6.1.0-98-test
	refused "is not for kernel $RELEASE" kernel import --modules other "root/boot/vmlinuz-$RELEASE"
}

@test "a truncated package leaves nothing, wherever it is cut" {
	local size part

	make_root root
	make_deb linux.deb root
	size=$(stat -c %s linux.deb)
	for part in 0 7 8 60 68 100 200 $((size / 2)) $((size - 100)); do
		head -c "$part" linux.deb > cut.deb
		run "$BANGER" kernel import cut.deb
		is "$status" 1
		has "$output" "banger: "
		nothing_left
	done
}

@test "a hostile package leaves nothing, inside and outside" {
	make_root root
	make_deb linux.deb root --transform 's,kernel/drivers/usbcore.ko,../../../../../escaped,S'
	refused "unsafe name" kernel import linux.deb
	make_deb linux.deb root --transform 's,usbcore.ko,a b.ko,'
	refused "odd name" kernel import linux.deb
	mkdir "root/lib/modules/;rm"
	touch "root/lib/modules/;rm/x"
	make_deb linux.deb root
	refused "linux.deb" kernel import linux.deb
	rm -r "root/lib/modules/;rm"
	ln -f "root/lib/modules/$RELEASE/modules.dep" "root/lib/modules/$RELEASE/zz"
	make_deb linux.deb root
	refused "hard link" kernel import linux.deb
	is "$(find . -name 'escaped*')" ""
}

@test "what is no kernel is refused with a sentence" {
	echo hello > text
	refused "neither a bzImage nor an ELF kernel" kernel import text
	refused "does not say which Linux release" kernel import /bin/true
	: > empty
	refused "neither a bzImage nor an ELF kernel" kernel import empty
	mkdir directory
	refused "holds no kernel" kernel import directory
	refused "No such file" kernel import absent
	refused "neither a file nor a directory" kernel import /dev/zero
	make_vmlinux directory/vmlinuz-1.0 1.0
	make_vmlinux directory/vmlinuz-2.0 2.0
	refused "vmlinuz-1.0, vmlinuz-2.0" kernel import directory
	run "$BANGER" kernel import --modules . directory
	is "$status" 2
	refused "is not a name for a kernel" kernel import --name ../x text
}

@test "links out of a directory are not followed" {
	make_root root
	printf '\177ELF secret' > secret
	ln -sf "$PWD/secret" "root/lib/modules/$RELEASE/kernel/drivers/virtio_net.ko"
	refused "virtio_net" kernel import root
	rm "root/boot/vmlinuz-$RELEASE"
	ln -s /bin/true "root/boot/vmlinuz-$RELEASE"
	refused "holds no kernel" kernel import root
}

@test "an interrupted import leaves nothing" {
	make_root root
	rm "root/lib/modules/$RELEASE/modules.dep"
	mkdir bin
	printf '#!/bin/sh\nkill -%s $PPID\nsleep 20\n' INT > bin/depmod
	chmod +x bin/depmod
	PATH=$PWD/bin:$PATH run "$BANGER" kernel import root
	is "$status" 130
	nothing_left
	sed -i s/INT/TERM/ bin/depmod
	PATH=$PWD/bin:$PATH run "$BANGER" kernel import root
	is "$status" 143
	nothing_left
	printf '#!/bin/sh\necho the reason >&2\nexit 3\n' > bin/depmod
	PATH=$PWD/bin:$PATH run "$BANGER" kernel import root
	is "$status" 1
	has "$output" "the reason"
	nothing_left
}

@test "a killed import leaves no kernel, and the next one cleans up" {
	make_root root
	rm "root/lib/modules/$RELEASE/modules.dep"
	mkdir bin
	printf '#!/bin/sh\nkill -KILL $PPID\n' > bin/depmod
	chmod +x bin/depmod
	PATH=$PWD/bin:$PATH run "$BANGER" kernel import --name a root
	is "$status" 137
	is "$("$BANGER" kernel list -q)" ""
	rm -r root
	make_root root
	"$BANGER" kernel import -q --name a root
	is "$(ls -A state/kernels)" a
}

@test "the index of the modules is made by depmod when there is none" {
	local name

	[ -x /sbin/depmod ] || needs depmod
	needs gcc
	make_root root
	rm "root/lib/modules/$RELEASE/modules.dep"
	for name in $MODULES; do
		printf 'static const char v[] __attribute__((section(".modinfo"), used)) = "vermagic=%s x";\n' \
			"$RELEASE" > m.c
		gcc -c -o "root/lib/modules/$RELEASE/kernel/drivers/$name.ko" m.c
	done
	make_deb linux.deb root
	PATH=/usr/bin:/bin "$BANGER" kernel import -q --name a linux.deb
	has "$(disk_file a /modules.dep)" kernel/drivers/virtio_blk.ko:
	has "$("$BANGER" kernel show a)" virtio_blk
}

@test "an ordinary user with an empty environment imports, and all belongs to root in the guest" {
	local listing here

	needs debugfs
	make_root root
	make_deb linux.deb root
	if [ "$(id -u)" -eq 0 ]; then
		here=$(mktemp -d /tmp/banger-test-XXXXXX) # bats's own directory is closed to others
		echo "$here" > cleanup
		chmod 755 "$here"
		install -m 755 "$BANGER" "$here/banger"
		install -m 644 linux.deb "$here"
		install -d -o 65534 -g 65534 -m 700 "$here/state"
		run setpriv --reuid 65534 --regid 65534 --clear-groups env -i "$here/banger" \
			kernel import --state-dir "$here/state" --name a "$here/linux.deb"
		ln -s "$here/state" state
	else
		run env -i "$BANGER" kernel import --state-dir "$PWD/state" --name a ./linux.deb
	fi
	is "$status" 0
	listing=$(debugfs -R 'ls -l /kernel/drivers' state/kernels/a/modules.ext4 2>/dev/null)
	has "$listing" usbcore.ko
	is "$(awk 'NF { print $4 ":" $5 }' <<< "$listing" | sort -u)" 0:0
	is "$(awk '/usbcore/ { print $2 }' <<< "$listing")" 100644
	e2fsck -fn state/kernels/a/modules.ext4
}

@test "several imports of one name: one wins, the others say so" {
	local i won=0 pids=()

	make_root root
	for i in 1 2 3 4; do
		"$BANGER" kernel import -q --name a root > "out.$i" 2>&1 &
		pids+=($!)
	done
	for i in "${pids[@]}"; do
		wait "$i" && won=$((won + 1))
	done
	is "$won" 1
	is "$(cat out.* | grep -c "there is a kernel 'a' already")" 3
	is "$(ls -A state/kernels)" a
}

@test "list and show work without a state directory, and next to a broken kernel" {
	run "$BANGER" kernel list
	is "$status" 0
	[ ! -e state ]
	is "$("$BANGER" kernel list --json)" "[]"
	run "$BANGER" kernel show x
	is "$status" 1
	has "$output" "there is no kernel 'x'"
	make_root root
	"$BANGER" kernel import -q --name good root
	mkdir state/kernels/bad
	echo '{' > state/kernels/bad/kernel.json
	run --separate-stderr "$BANGER" kernel list
	is "$status" 1
	has "$output" good
	has "$stderr" bad
	is "$("$BANGER" kernel list -q | tr '\n' ' ')" "bad good "
	"$BANGER" kernel delete bad
	is "$("$BANGER" kernel list -q)" good
}

@test "a kernel that a VM uses is not deleted" {
	make_root root
	"$BANGER" kernel import -q --name a root
	"$BANGER" kernel import -q --name b root
	mkdir -p state/vms/web
	jq -n '{version: 1, name: "web", id: "0123456789abcdef0123456789abcdef", image: "i", kernel: "a",
		created: "2026-01-01T00:00:00Z", vcpu: 1, memory_bytes: 536870912,
		disk_bytes: 1073741824, system_bytes: 1073741824, net: "none", vmm: "auto",
		disk_mode: "copy", wanted: "stopped"}' > state/vms/web/spec.json
	run "$BANGER" kernel delete a b c
	is "$status" 1
	has "$output" "kernel 'a' is used by VM web"
	has "$output" "there is no kernel 'c'"
	is "$("$BANGER" kernel list -q)" a
	rm -r state/vms/web
	"$BANGER" kernel delete a
	nothing_left
}

@test "pull knows its catalogue, and without a network fails with a sentence" {
	run "$BANGER" kernel pull debian-1
	is "$status" 1
	has "$output" "debian-12"
	export http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9
	refused "fetching " kernel pull debian-12
	mkdir -p state/kernels/debian-12
	run "$BANGER" kernel pull debian-12
	is "$status" 1
	has "$output" "there is a kernel 'debian-12' already"
}
