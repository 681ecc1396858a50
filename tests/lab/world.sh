#!/bin/bash
# world.sh - what the lab's kernel holds at the moment, one line for each thing, for comparing.
#
# What the system itself starts now and then (systemd's services and their cgroups) is left out.
set -u
losetup -n -O NAME,BACK-FILE | sed 's/  */ /g; s/^/loop /'
dmsetup ls 2> /dev/null | grep -v '^No devices' | sed 's/\t.*//; s/^/dm /'
find /dev/mapper -mindepth 1 ! -name control | sed 's/^/node /'
ip -o link | sed 's/^[0-9]*: \([^:@]*\).*/link \1/'
ip netns list | sed 's/^/netns /'
nft list ruleset | sed 's/^/nft /'
sed 's/^/ip_forward /' /proc/sys/net/ipv4/ip_forward
find /sys/fs/cgroup -mindepth 1 -type d ! -path '*/system.slice/*' ! -path '*/user.slice/*' \
	! -name '*.scope' | sed 's/^/cgroup /'
sed 's/^/mount /' /proc/self/mounts
ps -e -o ppid=,comm= | awk '$1 != 2 && $2 != "kthreadd" { print "process " $2 }' |
	grep -vE ' (bats.*|bash|sh|world.sh|ps|awk|grep|sed|sort|tee|cat|sleep|timeout|systemd.*|\(.*|apt.*|agetty|dbus-daemon|env|find|xargs|uniq|tail|head)$'
find /run/banger -mindepth 1 2> /dev/null | sed 's/^/run /'
