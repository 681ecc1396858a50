#!/bin/bash
# fixture.sh - the kernel and the images that the VM tests boot, made once by banger itself.
#
# Prints the state directory that holds them.  Kept in build/fixtures under the digest of the sources that
# make them, so that a change of the image or kernel code makes them anew.  The directory may be shared by
# several work trees: what others made goes only when it is a day old, and what tests make there stays.
#
#   kernel debian-12             from the Debian mirror of this host, signatures checked
#   image  busybox               busybox-static, no init at all
#   image  busybox-init          the same with busybox's init and an inittab
#   image  entry                 an OCI image with an entry point, environment and user
#   image  debian-bookworm       with --debian: systemd, by mmdebstrap
#   image  debian-bare           the same without an init, which is up much sooner
#   image  lab-<digest>          with --lab: the machine of tests/lab, with these fixtures in it
set -eu
cd "$(dirname "$0")/../.."
: "${BANGER:=$PWD/build/banger}"
digest=$(cat lib/image/*.[ch] lib/kernel/*.[ch] lib/disk/ext4*.[ch] packaging/catalog.json "$0" | sha256sum | cut -c 1-16)
state=$PWD/build/fixtures/$digest
lab=lab-$(sha256sum < tests/lab/packages | cut -c 1-8)
export BANGER_STATE_DIR=$state

busybox_tree()
{
	mkdir -p "$1"/{bin,sbin,dev,proc,sys,run,tmp,root,etc,usr/bin,lib}
	cp /bin/busybox "$1/bin/busybox"
	chroot "$1" /bin/busybox --install -s 2> /dev/null ||
		for applet in $("$1/bin/busybox" --list); do
			[ -e "$1/bin/$applet" ] || ln -s busybox "$1/bin/$applet"
		done
	rm -f "$1/sbin/init" "$1/bin/init" "$1/linuxrc"
	printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n' > "$1/etc/passwd"
	printf 'root:x:0:\nnogroup:x:65534:\n' > "$1/etc/group"
	echo 'from the image' > "$1/root/in-image"
	chmod 0700 "$1/root"
	chmod 1777 "$1/tmp"
}

have()
{
	"$BANGER" "$1" show "$2" > /dev/null 2>&1
}

make_busybox()
{
	local work
	work=$(mktemp -d)
	busybox_tree "$work/tree"
	have image busybox || tar -C "$work/tree" -c . | "$BANGER" image import --name busybox - >&2
	ln -s ../bin/busybox "$work/tree/sbin/init"
	printf '::sysinit:/bin/true\n::respawn:/bin/sleep 1000\n::shutdown:/bin/sync\n' > "$work/tree/etc/inittab"
	have image busybox-init ||
		tar -C "$work/tree" -c . | "$BANGER" image import --name busybox-init - >&2
	rm -rf "$work"
}

make_entry()
{
	local work
	work=$(mktemp -d)
	umoci init --layout "$work/oci"
	umoci new --image "$work/oci:latest"
	umoci unpack --rootless --image "$work/oci:latest" "$work/bundle" 2> /dev/null
	busybox_tree "$work/bundle/rootfs"
	# shellcheck disable=SC2016 # for the guest's shell
	printf '#!/bin/sh\necho "entry point: $GREETING as $(id -un) in $(pwd)"\nexec sleep 1000\n' \
		> "$work/bundle/rootfs/usr/bin/serve"
	chmod 0755 "$work/bundle/rootfs/usr/bin/serve"
	umoci repack --image "$work/oci:latest" "$work/bundle" 2> /dev/null
	umoci config --image "$work/oci:latest" --config.entrypoint /usr/bin/serve \
		--config.env GREETING=hello --config.user nobody --config.workingdir /tmp
	"$BANGER" image import --name entry "$work/oci:latest" >&2
	rm -rf "$work"
}

# It is banger's own file system, so nothing has to be unpacked.
make_bare()
{
	local work
	work=$(mktemp -d "$state/bare.XXXXXX")
	cp --sparse=always "$state/images/debian-bookworm/rootfs.ext4" "$work/rootfs.ext4"
	chmod u+w "$work/rootfs.ext4"
	printf 'rm /usr/sbin/init\nrm /usr/lib/systemd/systemd\n' | debugfs -w -f - "$work/rootfs.ext4" > /dev/null 2>&1
	"$BANGER" image import --name debian-bare "$work/rootfs.ext4" >&2
	rm -rf "$work"
}

make_lab()
{
	local work
	work=$(mktemp -d)
	mkdir "$work/state" "$work/state/images"
	chmod 0700 "$work/state"
	cp -a "$state/version" "$state/kernels" "$work/state/"
	cp -a "$state/images/busybox" "$work/state/images/"
	# shellcheck disable=SC2016 # for the hook's own shell
	mmdebstrap --variant=apt --quiet --customize-hook='mkdir -p "$1/var/lib/banger"' \
		--customize-hook="sync-in $work/state /var/lib/banger" \
		--include="$(tr '\n' ',' < tests/lab/packages | sed 's/,$//')" bookworm - |
		"$BANGER" image import --name "$lab" --size 16G - >&2
	rm -rf "$work"
}

mkdir -p "$PWD/build/fixtures"
exec 9> "$PWD/build/fixtures/lock"
flock 9
find "$PWD/build/fixtures/" -mindepth 1 -maxdepth 1 -type d -mmin +1440 -regex '.*/[0-9a-f]+' \
	! -name "$digest" -exec rm -rf {} +
have kernel debian-12 || "$BANGER" kernel pull debian-12 >&2
have image busybox && have image busybox-init || make_busybox
have image entry || make_entry
if [ "${1:-}" = --debian ]; then
	have image debian-bookworm || "$BANGER" image pull debian-bookworm >&2
	have image debian-bare || make_bare
fi
if [ "${1:-}" = --lab ]; then
	have image "$lab" || make_lab
fi
echo "$state"
