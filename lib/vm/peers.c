/* SPDX-License-Identifier: MIT */
#include "vm/peers.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "store/names.h"

#define MISSED_FILE	"peers.missed" /* in the run directory */
#define CONNECT_WAIT_MS 300
#define TELL_WAIT_MS	2000
#define ALL_WAIT_MS	5000 /* guests that are hung must not hold up a start for longer */

static bool has_peers(const struct vm *vm)
{
	return !vm->spec_fault && vm->spec.peers && vm->spec.address &&
	       !strcmp(vm->spec.net, "bridge");
}

struct fault *peers_list(const struct vm *vm, struct strings *out)
{
	struct strings names;

	*out = (struct strings){ 0 };
	if (!has_peers(vm))
		return NULL;
	TRY(store_names(vm->store, COLLECTION_VMS, &names));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_VM peer = VM_INIT;
		AUTO_FAULT gone = vm_open(vm->store, vm->config, names.v[i], &peer);

		if (!gone && has_peers(&peer) && strcmp(peer.dir.name, vm->dir.name) != 0) {
			AUTO_FREE char *line = xasprintf("%s %s", peer.spec.address, peer.dir.name);

			strings_add(out, line);
		}
	}
	strings_release(&names);
	return NULL;
}

static struct fault *open_list(const struct vm *vm, int *fd)
{
	AUTO_FD list = memfd_create("peers", MFD_CLOEXEC);
	AUTO_BUF text = BUF_INIT;
	struct strings lines;

	if (list < 0)
		return fault_sys(F_SYS, "making a temporary file");
	TRY(peers_list(vm, &lines));
	for (size_t i = 0; i < lines.n; i++)
		buf_addf(&text, "%s\n", lines.v[i]);
	strings_release(&lines);
	TRY(file_write_all(list, text.data, text.len, "the list of peers"));
	if (lseek(list, 0, SEEK_SET) < 0)
		return fault_sys(F_SYS, "rewinding the list of peers");
	*fd = steal_fd(&list);
	return NULL;
}

static struct fault *send_list(const struct vm *vm, struct guest *g)
{
	struct guest_exec e = { .argv = (const char *const[]){ "hosts", NULL }, .builtin = true,
				.out = -1, .err = -1, .timeout_ms = TELL_WAIT_MS };
	struct guest_status status = { 0 };
	AUTO_FD list = -1;
	struct fault *f;
	int code;

	TRY(open_list(vm, &list));
	e.in = list;
	f = guest_exec_run(g, &e, &status);
	code = f ? 0 : guest_exit_code(&status);
	free(status.message);
	if (!f && code)
		f = fault_new(F_GUEST, "it did not take the names of its peers (status %d)", code);
	return f;
}

static void set_missed(const struct vm *vm, bool missed)
{
	AUTO_FREE char *path = xasprintf("%s/" MISSED_FILE, vm->run_dir);
	AUTO_FD fd = -1;

	if (missed)
		fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	else
		unlink(path);
}

static void tell(const struct vm *vm)
{
	struct guest_address address = vm_guest_address(vm);
	struct guest *g = NULL;
	AUTO_FAULT f = guest_connect(&address, CONNECT_WAIT_MS, NULL, NULL, &g);

	if (!f) {
		f = send_list(vm, g);
		guest_close(g);
	}
	set_missed(vm, f);
	if (f)
		log_write(LOG_LEVEL_INFO, "VM '%s' is told the names of its peers later: %s", vm->dir.name,
			  fault_message(f));
}

void peers_announce(const struct store *s, const struct config *config, const char *name)
{
	int64_t deadline = clock_deadline(ALL_WAIT_MS);
	AUTO_LOCK lock = LOCK_INIT;
	struct strings names = { 0 };
	AUTO_FAULT f = names_peers_lock(s, ALL_WAIT_MS, &lock);

	if (!f)
		f = store_names(s, COLLECTION_VMS, &names);
	if (f)
		log_write(LOG_LEVEL_INFO, "no peer is told about VM '%s': %s", name, fault_message(f));
	for (size_t i = 0; i < names.n; i++) {
		AUTO_VM peer = VM_INIT;
		AUTO_FAULT gone = vm_open(s, config, names.v[i], &peer);

		if (gone || !strcmp(names.v[i], name) || !has_peers(&peer) || !peer.run_dir ||
		    vm_state(&peer) != VM_RUNNING)
			continue;
		if (clock_left(deadline))
			tell(&peer);
		else
			set_missed(&peer, true);
	}
	strings_release(&names);
}

bool peers_catch_up(const struct vm *vm, struct guest *g)
{
	AUTO_FREE char *path = NULL;
	AUTO_FAULT f = NULL;

	if (!has_peers(vm) || !vm->run_dir)
		return true;
	path = xasprintf("%s/" MISSED_FILE, vm->run_dir);
	if (unlink(path) < 0)
		return true;
	f = send_list(vm, g);
	if (f)
		log_write(LOG_LEVEL_INFO, "VM '%s': %s", vm->dir.name, fault_message(f));
	return !f;
}
