load helpers
load ../fixtures/images

RELEASE=6.1.0-99-test

# A file system $1 with a small tree.
make_rootfs()
{
	[ -d tree ] || small_tree tree
	mke2fs -q -t ext4 -F -d tree "$1" 16M
}

# A kernel with the drivers that machines need as modules: boot/ and lib/modules/ below $1.
make_kernel()
{
	local name tree=$1/lib/modules/$RELEASE option

	mkdir -p "$1/boot" "$tree/kernel/drivers"
	cp /bin/true "$1/boot/vmlinux-$RELEASE"
	printf '\0Linux version %s (test@test) #1\n\0' "$RELEASE" >> "$1/boot/vmlinux-$RELEASE"
	for name in virtio virtio_ring virtio_pci virtio_blk virtio_net virtio_console overlay; do
		printf '\177ELF %s vermagic=%s SMP mod_unload ' "$name" "$RELEASE" \
			> "$tree/kernel/drivers/$name.ko"
		echo "kernel/drivers/$name.ko:"
	done > "$tree/modules.dep"
	echo kernel/fs/ext4/ext4.ko > "$tree/modules.builtin"
	for option in VIRTIO_PCI=m VIRTIO_BLK=m VIRTIO_NET=m VIRTIO_CONSOLE=m EXT4_FS=y \
		SERIAL_8250_CONSOLE=y BLK_DEV_INITRD=y DEVTMPFS=y TMPFS=y PROC_FS=y SYSFS=y \
		UNIX98_PTYS=y BINFMT_ELF=y BINFMT_SCRIPT=y UNIX=y INET=y; do
		echo "CONFIG_$option"
	done > "$1/boot/config-$RELEASE"
}

# A fake machine that was made from image $1.
make_vm()
{
	mkdir -p -m 0700 "$BANGER_STATE_DIR/vms/web"
	printf '{"version":1,"name":"web","id":"%032d","image":"%s","kernel":"k","vcpu":1,%s}\n' 1 "$1" \
		'"memory_bytes":1,"disk_bytes":1,"system_bytes":1,"net":"none","vmm":"auto","disk_mode":"copy","wanted":"stopped","created":"2026-01-01T00:00:00Z"' \
		> "$BANGER_STATE_DIR/vms/web/spec.json"
}

nothing_left()
{
	is "$(ls -A state/images state/kernels 2> /dev/null | grep -v :)" ""
}

# refused TEXT OPTIONS... - a registration that fails with a sentence that has TEXT.
refused()
{
	local text=$1

	shift
	run --separate-stderr "$BANGER" image register -q "$@"
	[ "$status" -ne 0 ] || { echo "status $status: $output"; return 1; }
	is "$output" ""
	# shellcheck disable=SC2154 # set by run
	has "$stderr" "$text"
}

field()
{
	"$BANGER" image show "$1" | jq -r "$2"
}

@test "a file system is registered where it is; promote copies it" {
	make_rootfs fs.img
	before=$(sha256sum < fs.img)
	is "$("$BANGER" image register -q --name work --rootfs ./fs.img --kernel-ref debian-12)" work
	is "$(field work .rootfs_path)" "$PWD/fs.img"
	is "$(field work '.source_kind + " " + .kernel')" "registered debian-12"
	is "$(field work .size_bytes)" $((16 << 20))
	is "$(ls state/images/work)" image.json
	is "$("$BANGER" image list --json | jq -c '.[0] | [.size_bytes, .disk_bytes, .error]')" \
		"[$((16 << 20)),0,null]"
	make_vm work # who uses it does not mind: the content stays the same
	is "$("$BANGER" image promote -q wo)" work
	is "$(field work .rootfs_path)" null
	cmp fs.img state/images/work/rootfs.ext4
	is "$(stat -c %a state/images/work/rootfs.ext4)" 444
	run "$BANGER" image promote work
	is "$status" 1
	has "$output" "in the state directory already"
	rm -r state/vms/web
	"$BANGER" image register -q --name other --rootfs fs.img --kernel-ref debian-13
	"$BANGER" image delete work other
	nothing_left
	is "$(sha256sum < fs.img)" "$before"
}

@test "a registered file that has changed is refused with what is different" {
	make_rootfs fs.img
	cp --preserve=timestamps fs.img kept.img
	"$BANGER" image register -q --name work --rootfs fs.img --kernel-ref debian-12
	promote()
	{
		run "$BANGER" image promote -q work
		is "$status" 1
		has "$output" "$1"
		is "$(ls -A state/images)" work
		is "$(ls -A state/images/work)" image.json
	}
	touch fs.img
	promote "it was written to"
	mv fs.img away
	promote "No such file"
	run "$BANGER" image list
	has "$output" "broken: its file '$PWD/fs.img'"
	cp --preserve=timestamps kept.img fs.img
	promote "it is another file"
	rm fs.img
	mkfifo fs.img
	promote "no regular file any more"
	rm fs.img
	ln -s kept.img fs.img
	promote "fs.img"
}

@test "what cannot be registered is named, and nothing is left" {
	make_rootfs fs.img
	refused "option '--name' is needed" --rootfs fs.img --kernel-ref debian-12
	refused "option '--rootfs' is needed" --name a --kernel-ref debian-12
	refused "either --kernel-ref or --kernel" --name a --rootfs fs.img
	refused "either --kernel-ref or --kernel" --name a --rootfs fs.img --kernel-ref debian-12 \
		--kernel vmlinuz
	refused "go with --kernel" --name a --rootfs fs.img --kernel-ref debian-12 --modules .
	refused "go with --kernel" --name a --rootfs fs.img --kernel-ref debian-12 --initrd fs.img
	refused "no kernel 'none'" --name a --rootfs fs.img --kernel-ref none
	refused "opening 'none.img'" --name a --rootfs none.img --kernel-ref debian-12
	refused "not a regular file" --name a --rootfs . --kernel-ref debian-12
	refused "not a name" --name ../a --rootfs fs.img --kernel-ref debian-12
	head -c 100000 /dev/urandom > noise
	refused "'noise' is no ext4 file system" --name a --rootfs noise --kernel-ref debian-12
	head -c 5M fs.img > cut.img
	refused "truncated" --name a --rootfs cut.img --kernel-ref debian-12
	cp fs.img dirty.img
	debugfs -w -R 'feature needs_recovery' dirty.img 2> /dev/null
	refused "not unmounted cleanly" --name a --rootfs dirty.img --kernel-ref debian-12
	echo text > vmlinux
	refused "vmlinux" --name a --rootfs fs.img --kernel vmlinux
	nothing_left
	"$BANGER" image register -q --name a --rootfs fs.img --kernel-ref debian-12
	refused "image 'a' exists already" --name a --rootfs fs.img --kernel-ref debian-12
	"$BANGER" image register -q -f --name a --rootfs fs.img --kernel-ref debian-13
	is "$(field a .kernel)" debian-13
	make_vm a
	refused "used by web" -f --name a --rootfs fs.img --kernel-ref debian-12
}

@test "a kernel file is imported under the image's name, its modules from a directory" {
	needs depmod
	make_rootfs fs.img
	make_kernel root
	"$BANGER" image register -q --name own --rootfs fs.img --kernel "root/boot/vmlinux-$RELEASE" \
		--modules root
	is "$(field own .kernel)" own
	is "$("$BANGER" kernel show own | jq -r '.release + " " + (.has_modules | tostring)')" \
		"$RELEASE true"
	refused "exists already" --name own --rootfs fs.img --kernel-ref debian-12
	"$BANGER" image delete own
	# The kernel is an object of its own and stays; the name is taken.
	refused "there is a kernel 'own' already" --name own --rootfs fs.img \
		--kernel "root/boot/vmlinux-$RELEASE" --modules root
	is "$(ls -A state/images)" ""
	"$BANGER" image register -q --force --name own --rootfs fs.img \
		--kernel "root/boot/vmlinux-$RELEASE" --modules root
}

@test "the modules of a kernel file come out of an initramfs of several archives" {
	needs depmod
	needs cpio
	make_rootfs fs.img
	make_kernel root
	mkdir -p early/kernel/x86/microcode usr/usr
	head -c 5001 /dev/urandom > early/kernel/x86/microcode/AuthenticAMD.bin
	(cd early && find . | cpio -o -H newc --quiet) > early.cpio
	(cd root && find lib | cpio -o -H newc --quiet) > main.cpio
	cp -r root/lib usr/usr/
	(cd usr && find . | cpio -o -H newc --quiet) | zstd -q > usr.zst
	{ cat early.cpio; head -c 1024 /dev/zero; gzip -c main.cpio; } > initrd.gz
	{ cat early.cpio; cat usr.zst; } > initrd.zst
	{ cat early.cpio; cat main.cpio; } > initrd.plain
	for initrd in initrd.gz initrd.zst initrd.plain main.cpio; do
		"$BANGER" image register -q --name own --rootfs fs.img --initrd "$initrd" \
			--kernel "root/boot/vmlinux-$RELEASE"
		is "$("$BANGER" kernel show own | jq -r '.initrd_modules | length >= 5')" true
		"$BANGER" image delete own
		"$BANGER" kernel delete own
	done
	kernel=root/boot/vmlinux-$RELEASE
	refused "holds no modules" --name own --rootfs fs.img --kernel "$kernel" --initrd early.cpio
	refused "" --name own --rootfs fs.img --kernel "$kernel" --initrd fs.img
	head -c 1500 main.cpio > cut
	refused "" --name own --rootfs fs.img --kernel "$kernel" --initrd cut
	refused "either from --initrd or from --modules" --name own --rootfs fs.img --kernel "$kernel" \
		--initrd main.cpio --modules root
	nothing_left
}
