/* SPDX-License-Identifier: MIT */
#include "store/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/nearest.h"
#include "base/text.h"
#include "host/machine.h"
#include "host/user.h"
#include "store/file_sync.h"

#define CONFIG_FILE_MAX (64 * 1024)
#define VCPU_MAX	256
#define BUILT_IN	"built in" /* origins of values that nobody has set */
#define THIS_HOST	"this host"

#if defined(__aarch64__)
#define QEMU_PROGRAM "qemu-system-aarch64"
#else
#define QEMU_PROGRAM "qemu-system-x86_64"
#endif

enum setting_kind { SETTING_TEXT, SETTING_INTERFACE, SETTING_WORD, SETTING_PROGRAM, SETTING_PATH, SETTING_COUNT,
		    SETTING_SIZE, SETTING_DURATION };

struct setting {
	struct setting_info info;
	enum setting_kind kind;
	size_t offset;
	const char *value; /* built in; NULL = from the host, see config_defaults() */
	uint64_t min, max; /* of counts and sizes; 0 = no limit */
};

#define AT(member) offsetof(struct config, member)

static const struct setting settings[] = {
	{ { "defaults.image", "BANGER_IMAGE", "image of a virtual machine when none is named",
	    "debian-bookworm" },
	  SETTING_TEXT, AT(default_image), "debian-bookworm" },
	{ { "defaults.kernel", "BANGER_KERNEL", "kernel when neither the user nor the image names one",
	    "debian-12" },
	  SETTING_TEXT, AT(default_kernel), "debian-12" },
	{ { "defaults.vmm", "BANGER_VMM", "program that runs virtual machines", "auto",
	    "auto firecracker qemu" },
	  SETTING_WORD, AT(vmm), "auto" },
	{ { "defaults.ssh_key_path", "BANGER_SSH_KEY_PATH",
	    "private key that 'vm ssh' uses: auto, an absolute path or one that starts with ~/",
	    "auto: a key of banger's own" },
	  SETTING_PATH, AT(ssh_key_path), "auto" },
	{ { "vm_defaults.vcpu", "BANGER_VCPU", "virtual CPUs",
	    "a quarter of the CPUs, from 2 to 4; 1 for an emulated VM" },
	  SETTING_COUNT, AT(vcpu), NULL, 1, VCPU_MAX },
	{ { "vm_defaults.memory", "BANGER_MEMORY", "memory",
	    "an eighth of the memory, at least 1G and at most 8G" },
	  SETTING_SIZE, AT(memory_bytes), NULL, 64 * MIB },
	{ { "vm_defaults.disk_size", "BANGER_DISK_SIZE", "size of the work disk, mounted at /root",
	    "8G" },
	  SETTING_SIZE, AT(disk_size_bytes), "8G", 16 * MIB },
	{ { "vm_defaults.system_overlay_size", "BANGER_SYSTEM_OVERLAY_SIZE",
	    "size of the root disk", "8G" },
	  SETTING_SIZE, AT(system_overlay_bytes), "8G", 16 * MIB },
	{ { "vm_defaults.net", "BANGER_NET",
	    "network: auto (a bridge for root, else user mode), user, bridge, none or tap:...", "auto",
	    "auto user bridge none" },
	  SETTING_WORD, AT(net), "auto" },
	{ { "vm_defaults.nat", "BANGER_NAT", "may VMs on the bridge go out through the host", "no",
	    "yes no" },
	  SETTING_WORD, AT(nat), "no" },
	{ { "net.bridge", "BANGER_BRIDGE", "the VMs' bridge; one that exists is used as it is",
	    "br-banger" },
	  SETTING_INTERFACE, AT(bridge), "br-banger" },
	{ { "net.subnet", "BANGER_SUBNET", "the host's address on the bridge, with its prefix",
	    "172.30.0.1/24" },
	  SETTING_TEXT, AT(subnet), "172.30.0.1/24" },
	{ { "net.tap_pool_size", "BANGER_TAP_POOL_SIZE", "idle taps that 'net warm' keeps", "0" },
	  SETTING_COUNT, AT(tap_pool_size), "0", 0, 256 },
	{ { "net.nft_bin", "BANGER_NFT_BIN", "nft, a program on PATH or an absolute path", "nft" },
	  SETTING_PROGRAM, AT(nft_bin), "nft" },
	{ { "vmm.qemu_bin", "BANGER_QEMU_BIN", "QEMU, a program on PATH or an absolute path",
	    "the QEMU of this machine's architecture" },
	  SETTING_PROGRAM, AT(qemu_bin), QEMU_PROGRAM },
	{ { "vmm.firecracker_bin", "BANGER_FIRECRACKER",
	    "Firecracker, a program on PATH or in libexec/banger, or an absolute path",
	    "firecracker" },
	  SETTING_PROGRAM, AT(firecracker_bin), "firecracker" },
	{ { "vmm.jailer_enabled", "BANGER_JAILER_ENABLED",
	    "as root, run each Firecracker in a jail and as a user of its own", "yes", "yes no" },
	  SETTING_WORD, AT(jailer_enabled), "yes" },
	{ { "vmm.jailer_bin", "BANGER_JAILER",
	    "Firecracker's jailer, a program beside Firecracker or on PATH, or an absolute path",
	    "jailer" },
	  SETTING_PROGRAM, AT(jailer_bin), "jailer" },
	{ { "watch.auto_watch", "BANGER_AUTO_WATCH", "start the watcher together with a VM", "no",
	    "yes no" },
	  SETTING_WORD, AT(auto_watch), "no" },
	{ { "watch.interval", "BANGER_WATCH_INTERVAL", "pause between two looks of the watcher", "30s" },
	  SETTING_DURATION, AT(watch_interval), "30s" },
	{ { "watch.dns", "BANGER_WATCH_DNS", "let the watcher serve the VMs' names by DNS", "no",
	    "yes no" },
	  SETTING_WORD, AT(watch_dns), "no" },
	{ { "watch.dns_port", "BANGER_WATCH_DNS_PORT", "port of 127.0.0.1 for that; 0 = any free one",
	    "5380" },
	  SETTING_COUNT, AT(watch_dns_port), "5380", 0, 65535 },
	{ { "watch.auto_stop_stale_after", "BANGER_AUTO_STOP_STALE_AFTER",
	    "stop VMs that were idle for so long; 0 = never", "0" },
	  SETTING_DURATION, AT(auto_stop_stale_after), "0" },
	{ { "watch.idle_cpu_percent", "BANGER_IDLE_CPU_PERCENT",
	    "CPU time of an idle VM at most, of one CPU", "5" },
	  SETTING_COUNT, AT(idle_cpu_percent), "5", 0, 100 },
	{ { "watch.idle_io", "BANGER_IDLE_IO", "what an idle VM reads and writes a second at most",
	    "32K" },
	  SETTING_SIZE, AT(idle_io_bytes), "32K" },
	{ { "watch.idle_net", "BANGER_IDLE_NET", "network traffic of an idle VM a second at most", "2K" },
	  SETTING_SIZE, AT(idle_net_bytes), "2K" },
};

static const struct field config_value_fields[] = {
	FIELD_REQ(struct config_value, key, FIELD_STRING),
	FIELD_REQ(struct config_value, value, FIELD_STRING),
	FIELD_REQ(struct config_value, origin, FIELD_STRING),
};
const struct record_type config_value_type = {
	"setting", sizeof(struct config_value), config_value_fields, ARRAY_LEN(config_value_fields), 0,
};

static bool is_number(const struct setting *s)
{
	return s->kind == SETTING_COUNT || s->kind == SETTING_SIZE;
}

static struct config_value *row_of(const struct config *config, const struct setting *s)
{
	return (struct config_value *)config->origins.v + (s - settings);
}

/* ------------------------------------------------------------------------------------- values */

/* Unlike text_size() this loses nothing. */
static char *exact_size(uint64_t bytes)
{
	static const char units[] = "BKMGT";
	int power = 0;

	for (; power < 4 && bytes % 1024 == 0; power++)
		bytes /= 1024;
	return xasprintf("%llu%c", (unsigned long long)bytes, units[power]);
}

static struct fault *check_word(const struct setting *s, const char *value)
{
	const char *words = s->info.words;
	size_t len = strlen(value);

	for (const char *w = words; len; w += strcspn(w, " ") + 1) {
		if (strcspn(w, " ") == len && !strncmp(w, value, len))
			return NULL;
		if (!w[strcspn(w, " ")])
			break;
	}
	return fault_new(F_INVALID, "%s: '%s' is none of: %s", s->info.key, value, words);
}

static struct fault *check_text(const struct setting *s, const char *value)
{
	if (!*value)
		return fault_new(F_INVALID, "%s: the value is empty", s->info.key);
	for (const char *c = value; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			return fault_new(F_INVALID, "%s: the value has a control character",
					 s->info.key);
	if (s->kind == SETTING_WORD)
		return check_word(s, value);
	if (s->kind == SETTING_DURATION) {
		uint64_t ms;

		return text_parse_duration(value, s->info.key, &ms);
	}
	if (s->kind == SETTING_PROGRAM && strchr(value, '/') && value[0] != '/')
		return fault_new(F_INVALID,
				 "%s: '%s' is neither a program's name nor an absolute path",
				 s->info.key, value);
	if (s->kind == SETTING_INTERFACE &&
	    (strlen(value) > 15 || value[0] == '-' || value[0] == '.' ||
	     value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")]))
		return fault_new(F_INVALID, "%s: '%s' is no name for a network interface",
				 s->info.key, value);
	if (s->kind == SETTING_PATH && strcmp(value, "auto") != 0 && value[0] != '/' &&
	    strncmp(value, "~/", 2) != 0)
		return fault_new(F_INVALID,
				 "%s: '%s' is neither an absolute path nor one that starts with ~/",
				 s->info.key, value);
	return NULL;
}

static struct fault *parse_number(const struct setting *s, const char *value, uint64_t *number)
{
	AUTO_FREE char *least = NULL;

	if (s->kind == SETTING_COUNT)
		return text_parse_count(value, s->info.key, s->min, s->max, number);
	TRY(text_parse_size(value, s->info.key, number));
	if (*number >= s->min)
		return NULL;
	least = exact_size(s->min);
	return fault_new(F_INVALID, "%s: '%s' is less than %s", s->info.key, value, least);
}

/* Take @value for @s; @origin says where it stands. */
static struct fault *apply(struct config *config, const struct setting *s, const char *value,
			   const char *origin)
{
	void *slot = (char *)config + s->offset;
	struct config_value *row = row_of(config, s);
	uint64_t number = 0;

	if (is_number(s))
		TRY(parse_number(s, value, &number));
	else
		TRY(check_text(s, value));
	free(row->value);
	free(row->origin);
	row->origin = xstrdup(origin);
	if (is_number(s)) {
		*(uint64_t *)slot = number;
		row->value = s->kind == SETTING_SIZE ? exact_size(number)
						     : xasprintf("%llu", (unsigned long long)number);
	} else {
		free(*(char **)slot);
		*(char **)slot = xstrdup(value);
		row->value = xstrdup(value);
	}
	return NULL;
}

/* ----------------------------------------------------------------------------------- defaults */

static uint64_t clamp(uint64_t value, uint64_t least, uint64_t most)
{
	return value < least ? least : value > most ? most : value;
}

static void apply_host(struct config *config, const struct setting *s, unsigned int cpus,
		       uint64_t memory_bytes)
{
	AUTO_FREE char *value = NULL, *origin = NULL, *total = NULL;

	if (s->kind == SETTING_COUNT) {
		uint64_t floor = cpus < 2 ? 1 : 2;

		value = xasprintf("%llu", (unsigned long long)clamp(cpus / 4, floor, 4));
		origin = xasprintf(THIS_HOST " (%u CPU%s)", cpus, cpus == 1 ? "" : "s");
	} else {
		value = exact_size(clamp(memory_bytes / 8 / MIB * MIB, GIB, 8 * GIB));
		total = text_size(memory_bytes);
		origin = xasprintf(THIS_HOST " (%s of memory)", total);
	}
	fault_free(apply(config, s, value, origin)); /* these values are always good */
}

void config_defaults(struct config *config, unsigned int cpus, uint64_t memory_bytes)
{
	*config = (struct config){ 0 };
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		struct config_value *row = records_add(&config->origins, sizeof(*row));

		row->key = xstrdup(settings[i].info.key);
	}
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const struct setting *s = &settings[i];

		if (s->value)
			fault_free(apply(config, s, s->value, BUILT_IN));
		else
			apply_host(config, s, cpus, memory_bytes);
	}
}

/* -------------------------------------------------------------------------------------- files */

struct reading {
	struct config *config;
	const char *name; /* of the file, for messages */
	const char *at, *end;
	unsigned int line;
	struct fault *fault;
	struct user user;
};

static bool is_section(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (!strncmp(settings[i].info.key, name, len) && settings[i].info.key[len] == '.')
			return true;
	return false;
}

static struct fault *unknown_section(const char *name)
{
	static char sections[ARRAY_LEN(settings)][32];
	struct nearest n = nearest_to(name);
	const char *best;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		snprintf(sections[i], sizeof(sections[i]), "%.*s",
			 (int)strcspn(settings[i].info.key, "."), settings[i].info.key);
		nearest_offer(&n, sections[i]);
	}
	best = nearest_best(&n);
	if (best)
		return fault_new(F_INVALID, "there is no section [%s]; did you mean [%s]?", name,
				 best);
	return fault_new(F_INVALID, "there is no section [%s]", name);
}

/*
 * inih reads lines through this like fgets().  Blanks in front are dropped, because inih takes an
 * indented line for the continuation of the one before; and inih tells its handler nothing of a
 * section without keys, so that sections are checked here.
 */
static char *next_line(char *line, int room, void *context)
{
	struct reading *r = context;
	const char *newline;
	size_t len;

	if (r->at == r->end || r->fault)
		return NULL;
	r->line++;
	newline = memchr(r->at, '\n', (size_t)(r->end - r->at));
	len = (size_t)((newline ? newline : r->end) - r->at);
	while (len && strchr(" \t\r", *r->at)) {
		r->at++;
		len--;
	}
	if (len + 2 > (size_t)room) {
		r->fault = fault_new(F_INVALID, "the line is longer than %d bytes", room - 2);
		return NULL;
	}
	memcpy(line, r->at, len);
	line[len] = '\n';
	line[len + 1] = '\0';
	r->at += len + (newline != NULL);
	if (line[0] == '[' && strchr(line, ']')) {
		size_t name_len = (size_t)(strchr(line, ']') - line) - 1;
		AUTO_FREE char *name = xstrndup(line + 1, name_len);

		if (file_sync_is_section(name))
			r->fault = file_sync_begin(&r->config->file_sync, name, r->name, r->line);
		else if (!is_section(name, name_len))
			r->fault = unknown_section(name);
	}
	return r->fault ? NULL : line;
}

/* The key that ends in ".<name>", or NULL. */
static const char *key_called(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (!strcmp(strchr(settings[i].info.key, '.') + 1, name))
			return settings[i].info.key;
	return NULL;
}

const char *config_nearest(const char *typed)
{
	struct nearest n = nearest_to(typed);
	const char *called = key_called(typed);

	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		nearest_offer(&n, settings[i].info.key);
	return called ? called : nearest_best(&n);
}

static const struct setting *find_setting(const char *key)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (!strcmp(settings[i].info.key, key))
			return &settings[i];
	return NULL;
}

static struct fault *unknown_key(const char *section, const char *name)
{
	struct nearest n = nearest_to(name);
	size_t len = strlen(section);
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		nearest_offer(&n, strchr(settings[i].info.key, '.') + 1);
	near = nearest_best(&n) ? key_called(nearest_best(&n)) : NULL;
	if (!near)
		return fault_hint(fault_new(F_INVALID, "there is no setting '%s' in [%s]", name,
					    section),
				  "'banger config' lists all settings.");
	if (!strncmp(near, section, len) && near[len] == '.')
		return fault_new(F_INVALID, "there is no setting '%s' in [%s]; did you mean '%s'?",
				 name, section, near + len + 1);
	return fault_new(F_INVALID,
			 "there is no setting '%s' in [%s]; did you mean '%s' in [%.*s]?", name,
			 section, strchr(near, '.') + 1, (int)strcspn(near, "."), near);
}

static int take_pair(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;
	AUTO_FREE char *key = xasprintf("%s.%s", section, name);
	const struct setting *s = find_setting(key);
	AUTO_FREE char *origin = xasprintf("%s:%u", r->name, r->line);

	if (r->fault)
		return 0;
	if (file_sync_is_section(section))
		r->fault = file_sync_take(&r->config->file_sync, section, name, value,
					  r->user.home);
	else if (s)
		r->fault = apply(r->config, s, value, origin);
	else if (!*section)
		r->fault = fault_new(F_INVALID, "'%s' stands before the first [section]", name);
	else
		r->fault = unknown_key(section, name);
	return !r->fault;
}

struct fault *config_read_text(struct config *config, const char *text, size_t len,
			       const char *name)
{
	struct reading r = { config, name, text, text + len, 0, NULL, { 0 } };
	int bad_line;

	if (memchr(text, '\0', len))
		return fault_new(F_INVALID, "%s: the file has NUL bytes, it is no text", name);
	user_real(&r.user);
	bad_line = ini_parse_stream(next_line, &r, take_pair, &r);
	user_release(&r.user);
	if (r.fault)
		return fault_wrap(r.fault, "%s:%u", name, r.line);
	if (bad_line > 0)
		return fault_new(F_INVALID,
				 "%s:%d: this is neither '[section]' nor 'name = value'", name,
				 bad_line);
	return file_sync_check(&config->file_sync);
}

/* What runs as root must not be steered by somebody who is not. */
static struct fault *check_writers(const struct stat *st, const char *path)
{
	if (geteuid() != 0)
		return NULL;
	if (st->st_mode & (S_IWGRP | S_IWOTH))
		return fault_hint(fault_new(F_DENIED, "%s can be written by others, and we are root",
					    path),
				  "Make it yours alone: chmod go-w '%s'", path);
	return NULL;
}

struct fault *config_read_file(struct config *config, const char *path)
{
	AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	AUTO_BUF text = BUF_INIT;
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return NULL;
	if (fd < 0 || fstat(fd, &st) < 0)
		return fault_sys(F_SYS, "reading %s", path);
	if (!S_ISREG(st.st_mode))
		return fault_new(F_INVALID, "%s is not a regular file", path);
	TRY(check_writers(&st, path));
	TRY(file_read_fd(fd, CONFIG_FILE_MAX, path, &text));
	return config_read_text(config, text.data, text.len, path);
}

struct fault *config_read_environment(struct config *config)
{
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const char *name = settings[i].info.environment;
		const char *value = getenv(name);

		if (value && *value)
			TRY(fault_wrap(apply(config, &settings[i], value, name), "%s", name));
	}
	return NULL;
}

static struct fault *read_user_file(struct config *config)
{
	AUTO_USER user = { 0 };
	AUTO_FREE char *directory = NULL, *path = NULL;
	struct fault *f;

	user_real(&user);
	directory = user_xdg(&user, "XDG_CONFIG_HOME", ".config");
	if (!directory)
		return NULL;
	path = xasprintf("%s/banger/banger.conf", directory);
	user_enter(&user);
	f = config_read_file(config, path);
	user_leave(&user);
	return f;
}

static void add_row(struct config *config, const struct file_sync *f, const char *key,
		    const char *value)
{
	struct config_value *row = records_add(&config->origins, sizeof(*row));

	row->key = xasprintf(FILE_SYNC_SECTION ".%s.%s", f->name, key);
	row->value = xstrdup(value);
	row->origin = xstrdup(f->origin);
}

/* After the table's own rows, which are found by their place. */
static void add_file_sync_rows(struct config *config)
{
	const struct file_sync *list = config->file_sync.v;

	for (size_t i = 0; i < config->file_sync.n; i++) {
		AUTO_FREE char *guest = xasprintf("/root/%s", list[i].guest);
		AUTO_FREE char *mode = xasprintf("%04o", (unsigned int)list[i].mode);

		add_row(config, &list[i], "host", list[i].host);
		add_row(config, &list[i], "guest", guest);
		add_row(config, &list[i], "mode", mode);
	}
}

struct fault *config_load(struct config *config)
{
	struct fault *f;

	config_defaults(config, machine_cpus(), machine_memory_total());
	f = config_read_file(config, CONFIG_SYSTEM_FILE);
	if (!f)
		f = read_user_file(config);
	if (!f)
		f = config_read_environment(config);
	if (f)
		config_release(config);
	else
		add_file_sync_rows(config);
	return f;
}

void config_release(struct config *config)
{
	struct config_value *rows = config->origins.v;

	for (size_t i = 0; i < config->origins.n; i++)
		record_release(&config_value_type, &rows[i]);
	free(config->origins.v);
	file_sync_release(&config->file_sync);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (!is_number(&settings[i]))
			free(*(char **)((char *)config + settings[i].offset));
	*config = (struct config){ 0 };
}

const struct config_value *config_find(const struct config *config, const char *key)
{
	const struct config_value *rows = config->origins.v;

	for (size_t i = 0; i < config->origins.n; i++)
		if (!strcmp(rows[i].key, key))
			return &rows[i];
	return NULL;
}

bool config_is_preset(const struct config *config, const char *key)
{
	const struct config_value *row = config_find(config, key);

	return row && (!strcmp(row->origin, BUILT_IN) ||
		       !strncmp(row->origin, THIS_HOST, strlen(THIS_HOST)));
}

bool config_setting(size_t i, struct setting_info *info)
{
	if (i >= ARRAY_LEN(settings))
		return false;
	*info = settings[i].info;
	return true;
}
