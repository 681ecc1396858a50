#!/usr/bin/env bats
# 'system install' where it belongs: a real systemd, a real C library, machines as units.

bats_require_minimum_version 1.5.0

setup()
{
	export BANGER_IMAGE=busybox BANGER_MEMORY=256M BANGER_VCPU=1
	kept=$BATS_TEST_TMPDIR/banger
	cp "$BANGER" "$kept"
}

teardown()
{
	"$kept" system uninstall -q || true
	[ -e "$BANGER" ] || cp "$kept" "$BANGER"
	for name in $("$BANGER" vm list -q); do
		"$BANGER" vm delete -q "$name"
	done
	rm -rf /var/lib/banger/names
}

@test "system: installed, known to systemd, and gone again without a trace" {
	sha256sum /etc/nsswitch.conf > before
	"$kept" system install --nss
	"$kept" system status
	getent group banger
	[ "$(stat -c '%a %G' /var/log/banger)" = "2750 banger" ]
	systemctl cat banger@web.service banger-gc.timer > /dev/null
	systemctl start banger-gc.service
	[ "$(systemctl show -P Result banger-gc.service)" = success ]
	grep -q '"command": "gc"' /var/log/banger/banger.log
	systemctl enable --now banger-gc.timer
	"$kept" system uninstall
	sha256sum -c before
	[ ! -e /usr/local/bin/banger ]
	[ ! -e /usr/local/share/banger ]
	run ! getent group banger
	run ! systemctl is-active --quiet banger-gc.timer
	run ! systemctl is-enabled --quiet banger-gc.timer
}

@test "system: every program of the host resolves NAME.vm after --nss, and not after --undo" {
	"$kept" system install -q --nss
	mkdir -p -m 711 /var/lib/banger/names
	chmod 711 /var/lib/banger
	echo 172.30.0.9 > /var/lib/banger/names/web
	echo web > /var/lib/banger/names/172.30.0.9
	chmod 644 /var/lib/banger/names/*
	[[ "$(getent hosts web.vm)" == 172.30.0.9*web.vm* ]]
	[[ "$(getent ahosts web.vm)" == *172.30.0.9* ]]
	[[ "$(getent hosts 172.30.0.9)" == *web.vm* ]]
	run ! getent hosts nobody.vm
	getent hosts localhost
	"$kept" system install -q --nss --undo
	run ! getent hosts web.vm
}

@test "system: a machine is a unit: started, stopped, and not ended with anything else" {
	"$kept" system install -q
	"$BANGER" vm create -q --name a > /dev/null
	systemctl start banger@a.service
	[ "$("$BANGER" vm show a | jq -r .state)" = running ]
	"$BANGER" vm exec a -- true
	systemctl daemon-reload
	[ "$("$BANGER" vm show a | jq -r .state)" = running ]
	systemctl stop banger@a.service
	[ "$("$BANGER" vm show a | jq -r .state)" = stopped ]
	# Uninstalling leaves a running machine alone.
	"$BANGER" vm start -q a
	"$kept" system uninstall -q
	[ "$("$kept" vm show a | jq -r .state)" = running ]
	run "$kept" system uninstall --purge
	[ "$status" -ne 0 ]
	[[ "$output" == *"VM 'a' is running; nothing was removed"* ]]
}
