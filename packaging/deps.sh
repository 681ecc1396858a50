#!/bin/bash
# deps.sh build|run|test... - install what banger needs, from the distribution's own packages.
#
# Does nothing, and needs neither root nor network, when all is there.  Asks nothing when standard
# input is no terminal.  "a|b" in a list means: whichever of them this release has.
set -eu
declare -A packages

# Debian 12 and Ubuntu 22.04 and later.
packages[debian_build]='gcc make pkg-config musl-tools linux-libc-dev libc6-dev libarchive-dev
	libcurl4-openssl-dev libext2fs-dev comerr-dev libssl-dev libinih-dev libjsmn-dev libnl-route-3-dev
	libdevmapper-dev'
packages[debian_run]='libarchive13|libarchive13t64 libcurl4|libcurl4t64 libssl3|libssl3t64 libdevmapper1.02.1
	qemu-system-x86 qemu-utils mmdebstrap gpgv debian-archive-keyring e2fsprogs kmod
	ca-certificates openssh-client git uidmap libnl-route-3-200 nftables'
packages[debian_test]='clang libclang-rt-dev|libclang-rt-14-dev|libclang-common-14-dev clang-tidy
	clang-format bats libcmocka-dev valgrind strace socat jq umoci skopeo buildah
	busybox-static mandoc shellcheck zsh fish tmux zstd lz4 xz-utils bzip2 attr libcap2-bin
	cpio binutils gnupg docker-registry apache2-utils openssl python3 curl rsync sudo
	bind9-dnsutils'

# Fedora.
packages[fedora_build]='gcc make pkgconf-pkg-config musl-gcc musl-devel kernel-headers
	libarchive-devel libcurl-devel e2fsprogs-devel libcom_err-devel openssl-devel inih-devel
	jsmn-devel device-mapper-devel'
packages[fedora_run]='libarchive libcurl openssl-libs device-mapper-libs
	qemu-system-x86 qemu-img gnupg2 e2fsprogs
	kmod ca-certificates openssh-clients git shadow-utils'
packages[fedora_test]='clang compiler-rt clang-tools-extra bats libcmocka-devel valgrind strace
	socat jq umoci skopeo buildah busybox mandoc ShellCheck zsh fish tmux zstd lz4 xz bzip2
	attr libcap cpio binutils httpd-tools openssl python3 curl rsync sudo
	bind-utils'

# Arch.
packages[arch_build]='gcc make pkgconf musl linux-api-headers libarchive curl e2fsprogs openssl
	libinih jsmn device-mapper'
packages[arch_run]='libarchive curl openssl device-mapper
	qemu-system-x86 qemu-img gnupg e2fsprogs kmod
	ca-certificates openssh git shadow'
packages[arch_test]='clang compiler-rt bats cmocka valgrind strace socat jq umoci skopeo buildah
	busybox mandoc shellcheck zsh fish tmux zstd lz4 xz bzip2 attr libcap cpio binutils
	apache openssl python curl rsync sudo bind'

usage()
{
	echo "usage: packaging/deps.sh build|run|test..." >&2
	exit 2
}

# The family of this distribution: debian, fedora or arch.
family()
{
	local ID='' ID_LIKE='' word

	[ ! -r /etc/os-release ] || . /etc/os-release
	for word in $ID $ID_LIKE; do
		case $word in
		debian | ubuntu) echo debian; return ;;
		fedora) echo fedora; return ;;
		arch) echo arch; return ;;
		esac
	done
	echo "deps.sh: no package list for this distribution ('${ID:-unknown}')" >&2
	echo "deps.sh: install what the list of Debian in packaging/deps.sh names" >&2
	exit 1
}

installed()
{
	case $1 in
	debian) [ "$(dpkg-query -W -f '${db:Status-Status}' "$2" 2>/dev/null)" = installed ] ;;
	fedora) rpm -q "$2" >/dev/null 2>&1 ;;
	arch) pacman -Q "$2" >/dev/null 2>&1 ;;
	esac
}

any_installed()
{
	local name

	for name in ${2//|/ }; do
		installed "$1" "$name" && return 0
	done
	return 1
}

# The first alternative that the distribution has.
available()
{
	local name

	for name in ${2//|/ }; do
		if [ "$1" != debian ] || apt-cache show "$name" >/dev/null 2>&1; then
			echo "$name"
			return
		fi
	done
	echo "${2%%|*}"
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif [ -t 0 ]; then
		sudo "$@"
	else
		sudo -n "$@"
	fi
}

install_packages()
{
	local system=$1 answer=()

	shift
	[ -t 0 ] || answer=(-y)
	case $system in
	debian) as_root env DEBIAN_FRONTEND="$frontend" apt-get install --no-install-recommends \
		"${answer[@]}" "$@" ;;
	fedora) as_root dnf install "${answer[@]}" "$@" ;;
	arch) [ -t 0 ] || answer=(--noconfirm)
		as_root pacman -S --needed "${answer[@]}" "$@" ;;
	esac
}

[ $# -gt 0 ] || usage
system=$(family)
frontend=noninteractive
[ ! -t 0 ] || frontend=${DEBIAN_FRONTEND:-readline}
missing=()
for what in "$@"; do
	case $what in
	build | run | test) ;;
	*) usage ;;
	esac
	for package in ${packages[${system}_$what]}; do
		any_installed "$system" "$package" || missing+=("$package")
	done
done
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$system" != debian ] || as_root apt-get update -q
names=()
for package in "${missing[@]}"; do
	names+=("$(available "$system" "$package")")
done
echo "deps.sh: installing for $*: ${names[*]}" >&2
install_packages "$system" "${names[@]}"
