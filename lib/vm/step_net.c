/* SPDX-License-Identifier: MIT */
/* step_net.c - the VM's end of the bridge. */
#include <string.h>
#include <unistd.h>

#include "host/netlink.h"
#include "net/net.h"
#include "net/own_tap.h"
#include "store/lease.h"
#include "store/names.h"
#include "vm/start_steps.h"

struct fault *vm_claim_address(const struct store *s, const struct config *config,
			       struct vm_spec *spec)
{
	struct lease_range range;
	struct subnet subnet;

	free(steal_ptr(&spec->address));
	if (strcmp(spec->net, "bridge"))
		return NULL;
	TRY(fault_wrap(subnet_parse(config->subnet, &subnet), "net.subnet"));
	range = (struct lease_range){ subnet.base, subnet_size(&subnet), subnet.gateway };
	return lease_claim(s, &range, spec->id, spec->name, &spec->address);
}

struct fault *vm_release_address(const struct store *s, const struct vm_spec *spec)
{
	return spec->address ? lease_release(s, spec->address, spec->id) : NULL;
}

static bool is_bridged(const struct vm *vm)
{
	return !vm->spec_fault && !strcmp(vm->spec.net, "bridge");
}

/* NULL when even that is lost; then the tap's alias leads `banger gc` to the VM. */
static const char *id_of(const struct vm *vm)
{
	return vm->spec_fault ? vm->handles.id : vm->spec.id;
}

static struct net_port port_of(const struct vm *vm, const char *address)
{
	return (struct net_port){
		.id = id_of(vm),
		.address = address,
		.alias = vm->dir.path,
		.nat = vm->spec.nat,
		.peers = vm->spec.peers,
	};
}

/* Is there perhaps something of it?  Cheap: most VMs that are torn down have nothing any more. */
static bool may_have_tap(const struct vm *vm)
{
	AUTO_FREE char *tap = id_of(vm) ? net_tap(id_of(vm)) : NULL;

	return tap && !vm->vmm_stays && (is_bridged(vm) || link_exists(tap));
}

struct fault *step_tap_check(const struct vm *vm)
{
	TRY(own_tap_check_net(vm->spec.net));
	if (!is_bridged(vm))
		return NULL;
	if (!vm->spec.address)
		return fault_hint(fault_new(F_CORRUPT, "VM '%s' has no address on the bridge",
					    vm->dir.name),
				  "Remove it with: banger vm delete %s", vm->dir.name);
	TRY(net_check(vm->config));
	return net_check_subnet(vm->config);
}

struct fault *step_tap_apply(struct vm *vm)
{
	struct net_port port = port_of(vm, vm->spec.address);
	struct vmm_choice choice;

	if (!is_bridged(vm))
		return NULL;
	TRY(step_vmm_choose(vm, &choice));
	port.owner = vmm_owner(&choice, vm->spec.id);
	vmm_choice_release(&choice);
	return net_tap_up(vm->store, vm->config, &port);
}

struct fault *step_tap_undo(struct vm *vm)
{
	return may_have_tap(vm) ? net_tap_down(vm->store, vm->config, id_of(vm)) : NULL;
}

struct fault *vm_filter(struct vm *vm, bool nat)
{
	struct net_port port = port_of(vm, vm->spec.address);

	port.nat = nat;
	return net_filter_up(vm->store, vm->config, &port, vm->progress);
}

struct fault *step_firewall_apply(struct vm *vm)
{
	if (!is_bridged(vm))
		return NULL;
	TRY(vm_filter(vm, vm->spec.nat));
	return names_publish(vm->store, vm->dir.name, vm->spec.address);
}

struct fault *step_firewall_undo(struct vm *vm)
{
	AUTO_FREE char *found = NULL;
	const char *address = vm->spec.address;
	struct net_port port;
	struct fault *f;

	if (!may_have_tap(vm))
		return NULL;
	f = names_withdraw(vm->store, vm->dir.name);
	if (vm->spec_fault) {
		f = fault_attach(f, lease_find(vm->store, id_of(vm), &found));
		address = found;
	}
	if (!address)
		return f;
	port = port_of(vm, address);
	return fault_attach(f, net_filter_down(vm->store, vm->config, &port));
}
