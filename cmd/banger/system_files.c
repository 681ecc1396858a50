/* SPDX-License-Identifier: MIT */
#include "banger/system_files.h"

#include <fcntl.h>
#include <string.h>

#include "banger/commands.h"
#include "banger/completion.h"
#include "banger/man.h"
#include "banger/parse.h"
#include "base/file.h"
#include "base/text.h"
#include "host/machine.h"

#define PREFIX	    "/usr/local"
#define PROGRAM_MAX (64 * MIB)
#define WATCHER	    "banger-watch"

/* The text of file @path as a NUL-terminated string called @name. */
#define EMBED(name, path)                                                                          \
	__asm__(".section .rodata\n.global " #name "\n" #name ":\n.incbin \"" path                \
		"\"\n.byte 0\n.previous\n");                                                       \
	extern const char name[]

EMBED(unit_watch, "packaging/banger-watch.service");
EMBED(unit_machine, "packaging/banger@.service");
EMBED(unit_gc, "packaging/banger-gc.service");
EMBED(unit_gc_timer, "packaging/banger-gc.timer");
EMBED(tmpfiles, "packaging/banger.tmpfiles");
EMBED(sysusers, "packaging/banger.sysusers");
/* The Makefile's nss_image.o. */
extern const char nss_image[], nss_image_end[];

/* Texts, and the command that each is for. */
static const struct {
	const char *path, *text, *command;
} texts[] = {
	{ PREFIX "/share/bash-completion/completions/banger", completion_bash },
	{ PREFIX "/share/zsh/site-functions/_banger", completion_zsh },
	{ PREFIX "/share/fish/vendor_completions.d/banger.fish", completion_fish },
	{ PREFIX "/lib/systemd/system/banger@.service", unit_machine },
	{ PREFIX "/lib/systemd/system/banger-watch.service", unit_watch, "watch" },
	{ PREFIX "/lib/systemd/system/banger-gc.service", unit_gc, "gc" },
	{ PREFIX "/lib/systemd/system/banger-gc.timer", unit_gc_timer, "gc" },
	{ PREFIX "/lib/tmpfiles.d/banger.conf", tmpfiles },
	{ PREFIX "/lib/sysusers.d/banger.conf", sysusers },
};

static bool has_command(const char *name)
{
	for (size_t i = 0; commands[i]; i++)
		if (!strcmp(commands[i]->name, name))
			return true;
	return false;
}

static void add_texts(struct install *in, bool watcher)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct buf content = BUF_INIT;

		if (texts[i].command && !has_command(texts[i].command))
			continue;
		if (texts[i].text == unit_watch && !watcher)
			continue;
		buf_adds(&content, texts[i].text);
		install_add(in, texts[i].path, 0644, &content);
	}
}

static void add_page(struct install *in, const char *name, int section, struct buf *page)
{
	AUTO_FREE char *path = xasprintf(PREFIX "/share/man/man%d/%s.%d", section, name, section);

	install_add(in, path, 0644, page);
}

static void add_manual(struct install *in)
{
	struct buf page = BUF_INIT;

	man_program(&page);
	add_page(in, "banger", 1, &page);
	man_config(&page);
	add_page(in, "banger.conf", 5, &page);
	for (size_t i = 0; commands[i]; i++) {
		AUTO_FREE char *name = man_name(commands[i]);

		if (command_is_hidden(commands[i]))
			continue;
		man_command(commands[i], &page);
		add_page(in, name, 1, &page);
	}
}

static struct fault *add_program(struct install *in, const char *from, const char *name)
{
	AUTO_FREE char *path = xasprintf(PREFIX "/bin/%s", name);
	AUTO_FD fd = open(from, O_RDONLY | O_CLOEXEC);
	struct buf content = BUF_INIT;
	struct fault *f;

	if (fd < 0)
		return fault_sys(F_SYS, "opening '%s'", from);
	f = file_read_fd(fd, PROGRAM_MAX, from, &content);
	if (f)
		buf_release(&content);
	else
		install_add(in, path, 0755, &content);
	return f;
}

struct fault *system_files(struct install *in, bool names)
{
	AUTO_FREE char *own = machine_own_program();
	AUTO_FREE char *watcher = xasprintf("%.*s" WATCHER, (int)(strrchr(own, '/') + 1 - own), own);

	bool has_watcher = !access(watcher, R_OK);

	TRY(add_program(in, own, "banger"));
	if (has_watcher)
		TRY(add_program(in, watcher, WATCHER));
	add_texts(in, has_watcher);
	add_manual(in);
	if (names) {
		AUTO_FREE char *path = xasprintf("%s/" NSS_LIBRARY, install_library_dir(in));
		struct buf content = BUF_INIT;

		buf_add(&content, nss_image, (size_t)(nss_image_end - nss_image));
		install_add(in, path, 0644, &content);
	}
	return NULL;
}
