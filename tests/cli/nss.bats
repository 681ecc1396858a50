#!/usr/bin/env bats
# libnss_banger.so.2 inside real programs, in a mount namespace whose /var/lib and nsswitch.conf are ours.

load helpers

setup()
{
	setup_world
	needs getent
	needs unshare
	NSS=$(dirname "$BANGER")/libnss_banger.so.2
	[ "$(id -u)" = 0 ] || skip "needs root, for a mount namespace"
	unshare -m true 2> /dev/null || skip "this host gives no mount namespaces"
	printf 'passwd: files\ngroup: files\nhosts: files banger\n' > nsswitch.conf
	cat > inside <<- 'END'
		set -eu
		mount --make-rprivate /
		mount --bind "$1/nsswitch.conf" /etc/nsswitch.conf
		mount -t tmpfs -o mode=755 none /var/lib
		mkdir -p /var/lib/banger/names /var/lib/nss
		cp "$2" /var/lib/nss/
		chmod 711 /var/lib/banger /var/lib/banger/names
		cd /var/lib/banger/names
		for i in $(seq 0 999); do
			echo "10.9.$((i / 250)).$((i % 250))" > "vm-$i"
			echo "vm-$i" > "10.9.$((i / 250)).$((i % 250))"
		done
		chmod 644 ./*
		export LD_LIBRARY_PATH=/var/lib/nss
		shift 2
		"$@"
	END
}

within()
{
	unshare -m bash inside "$PWD" "$NSS" "$@"
}

@test "nss: getent resolves names and addresses, for root and for everybody" {
	run within getent ahosts vm-500.vm
	is "$status" 0
	has "$output" "10.9.2.0"
	run within getent hosts VM-7.vm
	is "$status" 0
	has "$output" "10.9.0.7"
	has "$output" "vm-7.vm"
	run within getent ahostsv4 vm-7.vm
	has "$output" "10.9.0.7"
	run within getent hosts 10.9.3.249
	has "$output" "vm-999.vm"
	run within setpriv --reuid=65534 --regid=65534 --clear-groups \
		env LD_LIBRARY_PATH=/var/lib/nss getent hosts vm-7.vm
	is "$status" 0
	has "$output" "10.9.0.7"
}

@test "nss: what is not ours, or not there, is left to the next module" {
	for host in nothing.vm vm-1000.vm vm-1 vm-1.vm.vm ..vm 10.9.9.9; do
		run within getent hosts "$host"
		is "$status" 2
		is "$output" ""
	done
	run within getent hosts localhost
	is "$status" 0
}

@test "nss: a look-up opens three files at most and lists nothing" {
	needs strace
	run within strace -f -e trace=open,openat,openat2,getdents,getdents64 -o "$PWD/calls" getent hosts vm-500.vm
	is "$status" 0
	is "$(grep -c getdents calls)" 0
	[ "$(grep -c 'var/lib/banger' calls)" -ge 1 ]
	[ "$(grep -c -e 'var/lib/banger' -e '"vm-500"' calls)" -le 4 ]
}
