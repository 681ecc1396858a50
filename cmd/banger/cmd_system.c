/* SPDX-License-Identifier: MIT */
/* cmd_system.c - 'system install', 'uninstall', 'status': banger's own files on this host. */
#include "banger/commands.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "banger/system_files.h"
#include "base/file.h"
#include "vm/vm.h"

#define STATE_PATH  "/var/lib/banger"
#define CONFIG_PATH "/etc/banger"
#define LOG_PATH    "/var/log/banger"

/* The root to work below, without a slash at its end. */
static struct fault *open_install(const struct invocation *inv, bool names, struct install *in)
{
	const char *root = option_value(inv, "root");
	bool there;

	*in = (struct install){ .root = xstrdup("") };
	if (root) {
		char *whole = realpath(root, NULL);

		if (!whole)
			return fault_sys(F_INVALID, "--root '%s'", root);
		free(in->root);
		in->root = whole;
		if (!strcmp(whole, "/"))
			*whole = '\0';
	}
	TRY(install_names_state(in, &there));
	umask(022); /* these are for everybody to read */
	return system_files(in, names || there);
}

static size_t count(const struct records *rows, const char *state)
{
	const struct install_row *all = rows->v;
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++)
		n += !strcmp(all[i].state, state);
	return n;
}

static void print_rows(const struct records *rows, bool all)
{
	const struct install_row *row = rows->v;

	for (size_t i = 0; i < rows->n; i++)
		if (all || strcmp(row[i].state, "in place") != 0)
			printf("%-9s %s\n", row[i].state, row[i].path);
}

/* ----------------------------------------------------------------------------------- status */

static struct fault *status(struct invocation *inv)
{
	AUTO_INSTALL in = { 0 };
	struct records rows;
	bool names = false;
	struct fault *f;

	TRY(open_install(inv, false, &in));
	TRY(install_names_state(&in, &names));
	TRY(install_compare(&in, &rows));
	if (count(&rows, "in place") < rows.n)
		inv->status = 1;
	f = NULL;
	if (inv->json) {
		f = print_records(&install_row_type, &rows);
	} else if (!inv->quiet) {
		print_rows(&rows, false);
		printf("%zu of %zu files in place; programs on this host %s NAME.vm\n",
		       count(&rows, "in place"), rows.n, names ? "know" : "do not know");
	}
	install_rows_release(&rows);
	return f;
}

/* ---------------------------------------------------------------------------------- install */

static struct fault *dry_run(const struct install *in, bool names)
{
	struct records rows;
	const struct install_row *row;

	TRY(install_compare(in, &rows));
	row = rows.v;
	for (size_t i = 0; i < rows.n; i++)
		printf("%-9s %s\n",
		       !strcmp(row[i].state, "in place")   ? "keep"
		       : !strcmp(row[i].state, "missing")  ? "install"
		       : !strcmp(row[i].state, "obsolete") ? "remove"
							   : "replace",
		       row[i].path);
	if (names)
		printf("%-9s %s/etc/nsswitch.conf\n", "edit", in->root);
	install_rows_release(&rows);
	return NULL;
}

static struct fault *forget_names(const struct invocation *inv, const struct install *in)
{
	bool changed;

	TRY(install_names_take(in, &changed));
	if (changed && !inv->quiet)
		printf("%s/etc/nsswitch.conf: restored\n", in->root);
	return NULL;
}

static struct fault *install(struct invocation *inv)
{
	bool names = option_given(inv, "nss"), changed = false;
	AUTO_INSTALL in = { 0 };
	size_t written;

	if (option_given(inv, "undo") && !names)
		return fault_hint(fault_new(F_USAGE, "--undo goes with --nss"),
				  "To remove everything: banger system uninstall");
	TRY(open_install(inv, names, &in));
	if (option_given(inv, "undo"))
		return forget_names(inv, &in);
	if (option_given(inv, "dry-run"))
		return dry_run(&in, names);
	TRY(install_apply(&in, &written));
	TRY(install_system(&in));
	/* Last: nobody asks for a library that is not there. */
	if (names)
		TRY(install_names_put(&in, &changed));
	if (inv->quiet)
		return NULL;
	printf("%zu files were changed, %zu are in place\n", written, in.files.n);
	if (changed)
		printf("programs on this host know NAME.vm now\n");
	return NULL;
}

/* -------------------------------------------------------------------------------- uninstall */

static struct fault *refuse_running(const struct store *s, const struct config *config,
				    const struct strings *names)
{
	for (size_t i = 0; i < names->n; i++) {
		AUTO_VM vm = VM_INIT;
		AUTO_FAULT gone = vm_open(s, config, names->v[i], &vm);

		if (!gone && vm_state(&vm) == VM_RUNNING)
			return fault_hint(fault_new(F_STATE, "VM '%s' is running; nothing was removed",
						    names->v[i]),
					  "Stop it first: banger vm stop %s", names->v[i]);
	}
	return NULL;
}

static struct fault *delete_all(struct invocation *inv, const struct strings *names)
{
	for (size_t i = 0; i < names->n; i++) {
		AUTO_VM vm = VM_INIT;

		TRY(vm_lock(&inv->store, &inv->config, &inv->progress, names->v[i], "delete", &vm));
		TRY(vm_ended(&vm, vm_delete(&vm)));
	}
	return NULL;
}

/* Machines, images, settings: everything but the program. */
static struct fault *purge(struct invocation *inv, const struct install *in)
{
	const char *const paths[] = { CONFIG_PATH, LOG_PATH };
	AUTO_FREE char *state = xasprintf("%s%s", in->root, install_is_live(in) ? inv->store.path
									      : STATE_PATH);
	struct fault *f = tree_remove(AT_FDCWD, state);

	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		AUTO_FREE char *path = xasprintf("%s%s", in->root, paths[i]);

		f = fault_attach(f, tree_remove(AT_FDCWD, path));
	}
	if (!f && !inv->quiet)
		printf("%s: removed with everything in it\n", state);
	return f;
}

static struct fault *purge_machines(struct invocation *inv)
{
	struct strings names;
	struct fault *f;

	TRY(config_load(&inv->config));
	TRY(store_open(inv->state_dir, STORE_READ, &inv->store));
	inv->store.wait_ms = inv->wait_ms;
	TRY(store_names(&inv->store, COLLECTION_VMS, &names));
	f = refuse_running(&inv->store, &inv->config, &names);
	if (!f)
		f = delete_all(inv, &names);
	strings_release(&names);
	return f;
}

static struct fault *list_removals(const struct invocation *inv, const struct install *in,
				   const struct records *rows)
{
	const struct install_row *row = rows->v;
	bool there;

	TRY(install_names_state(in, &there));

	for (size_t i = 0; i < rows->n; i++)
		if (strcmp(row[i].state, "missing") != 0)
			printf("%-9s %s\n", "remove", row[i].path);
	if (there)
		printf("%-9s %s/etc/nsswitch.conf\n", "edit", in->root);
	if (option_given(inv, "purge"))
		printf("%-9s %s" STATE_PATH "\n%-9s %s" CONFIG_PATH "\n%-9s %s" LOG_PATH "\n", "remove",
		       in->root, "remove", in->root, "remove", in->root);
	return NULL;
}

static struct fault *uninstall(struct invocation *inv)
{
	AUTO_INSTALL in = { 0 };
	struct records rows;
	struct fault *f;
	size_t removed;

	TRY(open_install(inv, true, &in));
	if (option_given(inv, "dry-run")) {
		TRY(install_compare(&in, &rows));
		f = list_removals(inv, &in, &rows);
		install_rows_release(&rows);
		return f;
	}
	if (option_given(inv, "purge") && install_is_live(&in))
		TRY(purge_machines(inv));
	/* First: nobody is left who asks for a library that goes. */
	TRY(forget_names(inv, &in));
	TRY(install_remove(&in, &removed));
	TRY(install_forget_system(&in));
	if (!inv->quiet)
		printf("%zu files were removed\n", removed);
	return option_given(inv, "purge") ? purge(inv, &in) : NULL;
}

/* ----------------------------------------------------------------------------------- tables */

#define ROOT_OPTION                                                                                \
	{ .name = "root", .value = "DIR", .complete = COMPLETE_DIRECTORY,                             \
	  .help = "work below DIR instead of on this host: for packages and images" }

static const struct option install_options[] = {
	{ .name = "nss", .help = "let every program on this host resolve NAME.vm" },
	{ .name = "undo", .help = "with --nss: take that back, and nothing else" },
	{ .name = "dry-run", .help = "list every file and what would be done with it" },
	ROOT_OPTION,
	{ 0 },
};

const struct command command_system_install = {
	.name = "system install",
	.summary = "put program, manual, completion and units on this host",
	.description =
		"Copies the program that runs to /usr/local/bin, with its manual, its completion for bash, zsh "
		"and fish, its tmpfiles.d and sysusers.d files and its systemd units. No unit is enabled: "
		"banger@NAME.service brings the machine NAME up with the host, banger-watch.service stops "
		"machines that nobody uses. The group banger may read the logs in /var/log/banger. Again is "
		"fine: what is in place is not touched, and what an earlier release left goes.\n\n"
		"With --nss, the library libnss_banger.so.2 goes where the C library looks for it, and the "
		"'hosts' line of /etc/nsswitch.conf gets the word banger, between marker lines that keep the "
		"line as it was. --nss --undo restores that file byte for byte.",
	.examples = "sudo banger system install --dry-run\twhat it would do\n"
		    "sudo banger system install --nss\twith NAME.vm for every program\n"
		    "sudo systemctl enable --now banger@web\tthe machine web comes up with the host",
	.options = install_options,
	.flags = CMD_QUIET | CMD_NO_CONFIG,
	.run = install,
};

static const struct option uninstall_options[] = {
	{ .name = "purge", .help = "machines, images, settings and logs as well" },
	{ .name = "dry-run", .help = "list what would be removed" },
	ROOT_OPTION,
	{ 0 },
};

const struct command command_system_uninstall = {
	.name = "system uninstall",
	.summary = "take away what 'system install' put on this host",
	.description =
		"Removes every file that installing made, and the directories that were not there before, "
		"restores /etc/nsswitch.conf, and disables banger's units. Machines that run go on, and what "
		"is in the state directory stays.\n\n"
		"With --purge the state directory goes too, with all machines and images, and "
		"/etc/banger and /var/log/banger; that is refused while a machine runs.",
	.examples = "sudo banger system uninstall --dry-run\twhat would go\n"
		    "sudo banger system uninstall --purge\tas if banger had never been here",
	.options = uninstall_options,
	.flags = CMD_QUIET | CMD_NO_CONFIG | CMD_STATE_DIR,
	.run = uninstall,
};

static const struct option status_options[] = { ROOT_OPTION, { 0 } };

const struct command command_system_status = {
	.name = "system status",
	.summary = "compare what is installed with this program",
	.description = "Prints every file that is missing, differs from what this program would install, or is "
		       "left from an earlier release. The exit status is 1 when there is any. With --json "
		       "all files are listed.",
	.examples = "banger system status\tis it all there, and of this release?",
	.options = status_options,
	.flags = CMD_JSON | CMD_QUIET | CMD_NO_CONFIG,
	.run = status,
};
