/* SPDX-License-Identifier: MIT */
/* create.c - everything is checked first, then made in a hidden directory, then renamed. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "disk/ext4.h"
#include "disk/root_disk.h"
#include "guest/ssh_key.h"
#include "host/machine.h"
#include "image/image.h"
#include "image/image_lock.h"
#include "image/rootfs.h"
#include "kernel/kernel.h"
#include "net/net.h"
#include "net/own_tap.h"
#include "vm/forward.h"
#include "vm/labels.h"
#include "vm/vm.h"

#define MEMORY_MIN    (64 * MIB)
#define WORK_DISK_MIN (16 * MIB)
#define DISK_MAX      (4096 * GIB)
#define VCPU_MAX      64
/* Of names that a VM without one might get. */
#define GENERATE_TRIES 16
/* What a new VM writes at once: disk metadata, boot archive, logs. */
#define FREE_SPACE_MIN (128 * MIB)

static const char *or_else(const char *given, const char *otherwise)
{
	return given ? given : otherwise;
}

static struct fault *check_range(const char *what, uint64_t value, uint64_t min, uint64_t max)
{
	AUTO_FREE char *have = text_size(value), *low = text_size(min), *high = text_size(max);

	if (value >= min && value <= max)
		return NULL;
	return fault_new(F_INVALID, "%s %s is out of range: from %s to %s", what, have, low, high);
}

struct fault *vm_sizes_check(const struct vm_spec *spec)
{
	uint64_t total = machine_memory_total();

	if (!spec->vcpu || spec->vcpu > VCPU_MAX)
		return fault_new(F_INVALID, "a VM can have 1 to %d vCPUs, not %llu", VCPU_MAX,
				 (unsigned long long)spec->vcpu);
	TRY(check_range("memory", spec->memory_bytes, MEMORY_MIN, total ? total : DISK_MAX));
	TRY(check_range("work disk", spec->disk_bytes, WORK_DISK_MIN, DISK_MAX));
	return check_range("root disk", spec->system_bytes, MIB, DISK_MAX);
}

static bool in_words(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(words, word); at && len; at = strstr(at + 1, word))
		if ((at == words || at[-1] == ' ') && (!at[len] || at[len] == ' '))
			return true;
	return false;
}

static struct fault *check_words(const struct vm_spec *spec)
{
	if (!own_tap_is(spec->net) && !in_words(NET_WORDS, spec->net))
		return fault_new(F_INVALID, "there is no network mode '%.100s'; use one of: %s",
				 spec->net, NET_WORDS);
	if (!in_words(DISK_MODE_WORDS, spec->disk_mode))
		return fault_new(F_INVALID, "there is no disk mode '%s'; use one of: %s",
				 spec->disk_mode, DISK_MODE_WORDS);
	for (size_t i = 0; i < spec->env.n; i++)
		if (!strchr(spec->env.v[i], '=') || spec->env.v[i][0] == '=')
			return fault_new(F_INVALID, "environment setting '%.64s' is not KEY=VALUE",
					 spec->env.v[i]);
	if (spec->workdir && spec->workdir[0] != '/')
		return fault_new(F_INVALID, "working directory '%s' is not an absolute path",
				 spec->workdir);
	return NULL;
}

/* An option that cannot be honoured is an error, never ignored. */
static struct fault *check_net(const struct config *config, const struct vm_create *wanted,
			       struct vm_spec *spec)
{
	if (wanted->nat && wanted->no_nat)
		return fault_new(F_USAGE, "--nat and --no-nat exclude each other");
	if (!strcmp(spec->net, "bridge")) {
		TRY(net_check(config));
		return net_check_subnet(config);
	}
	TRY(own_tap_check_net(spec->net));
	if (wanted->peers || wanted->no_nat || (wanted->nat && strcmp(spec->net, "user")))
		return fault_hint(fault_new(F_UNSUPPORTED, "--%s needs a bridge, and the network is '%s'",
					    wanted->peers ? "peers" : wanted->nat ? "nat" : "no-nat",
					    spec->net),
				  "As root, use --net bridge.");
	spec->nat = false; /* user mode goes out in any case */
	return NULL;
}

static bool is_taken(const struct store *s, const char *name)
{
	AUTO_FD dir = -1;
	AUTO_FAULT absent = store_object_open(s, COLLECTION_VMS, name, &dir);

	return !absent;
}

static struct fault *check_name_free(const struct store *s, const char *name)
{
	if (!is_taken(s, name))
		return NULL;
	return fault_hint(fault_new(F_EXISTS, "there is a VM '%s' already", name),
			  "Choose another --name, or remove it with: banger vm delete %s", name);
}

static struct fault *check_space(const struct store *s)
{
	AUTO_FREE char *have = NULL;
	uint64_t bytes = 0;

	TRY(machine_free_bytes(s->dir, &bytes));
	if (bytes >= FREE_SPACE_MIN)
		return NULL;
	have = text_size(bytes);
	return fault_hint(fault_new(F_NO_SPACE, "only %s are free below '%s'", have, s->path),
			  "Remove what is not needed: banger vm list; banger image list");
}

static char *copy_or_null(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static char *new_id(void)
{
	unsigned char bits[VM_ID_HEX_LEN / 2];

	if (getrandom(bits, sizeof(bits), 0) != sizeof(bits))
		abort(); /* cannot fail for so few bytes once the host is up */
	return text_hex(bits, sizeof(bits));
}

/* A name that nobody has now; where most pairs of words are taken, with a number.  Owned. */
static char *free_name(const struct store *s)
{
	AUTO_FREE char *words = NULL;
	uint16_t number = 0;

	for (int tries = 0; tries < GENERATE_TRIES; tries++) {
		free(words);
		words = name_generate();
		if (!is_taken(s, words))
			return steal_ptr(&words);
	}
	if (getrandom(&number, sizeof(number), 0) != sizeof(number))
		number = (uint16_t)getpid();
	return xasprintf("%s-%04x", words, number);
}

/* For root a bridge where this host can have one, else the VMM's own network.  Owned. */
static char *choose_net(const char *wanted, const struct config *config)
{
	AUTO_FAULT missing = NULL;

	if (strcmp(wanted, "auto"))
		return xstrdup(wanted);
	missing = net_check(config);
	return xstrdup(missing ? "user" : "bridge");
}

bool vm_create_goes_out(const struct config *config, const struct vm_create *w)
{
	AUTO_FREE char *net = choose_net(or_else(w->net, config->net), config);
	bool nat = w->nat || (!w->no_nat && !strcmp(config->nat, "yes"));

	return !strcmp(net, "user") || own_tap_is(net) || (!strcmp(net, "bridge") && nat);
}

static void fill_spec(const struct store *s, const struct config *config,
		      const struct vm_create *w, struct vm_spec *spec)
{
	*spec = (struct vm_spec){
		.name = w->name ? xstrdup(w->name) : free_name(s),
		.id = new_id(),
		.created = text_time(time(NULL)),
		.image = xstrdup(or_else(w->image, config->default_image)),
		.kernel = copy_or_null(w->kernel),
		.vcpu = w->vcpu ? w->vcpu : config->vcpu,
		.memory_bytes = w->memory_bytes ? w->memory_bytes : config->memory_bytes,
		.disk_bytes = w->disk_bytes ? w->disk_bytes : config->disk_size_bytes,
		.system_bytes = w->system_bytes ? w->system_bytes : config->system_overlay_bytes,
		.net = choose_net(or_else(w->net, config->net), config),
		.nat = w->nat || (!w->no_nat && !strcmp(config->nat, "yes")),
		.peers = w->peers,
		.vmm = xstrdup(or_else(w->vmm, config->vmm)),
		.disk_mode = xstrdup(or_else(w->disk_mode, "auto")),
		.user = copy_or_null(w->user),
		.workdir = copy_or_null(w->workdir),
		.run_entrypoint = w->run_entrypoint,
		.wanted = xstrdup("created"),
		.auto_stop = copy_or_null(w->auto_stop),
		.ttl = copy_or_null(w->ttl),
	};
	if (w->ephemeral && !process_identify(getpid(), &spec->ephemeral))
		spec->ephemeral = (struct process_id){ 0 };
	for (size_t i = 0; i < w->n_env; i++)
		strings_add(&spec->env, w->env[i]);
	for (size_t i = 0; i < w->n_ports; i++)
		strings_add(&spec->ports, w->ports[i]);
	for (size_t i = 0; i < w->n_labels; i++)
		strings_add(&spec->labels, w->labels[i]);
}

/* What the image says: its digest, its kernel, its architecture, its least size. */
static struct fault *adopt_image(const struct config *config, const struct image_record *image,
				 bool system_given, struct vm_spec *spec)
{
	if (image->arch && strcmp(image->arch, machine_arch()))
		return fault_new(F_UNSUPPORTED, "image '%s' is for %s, this host is %s", spec->image,
				 image->arch, machine_arch());
	if (spec->system_bytes < image->size_bytes) {
		AUTO_FREE char *least = text_size(image->size_bytes);

		if (system_given)
			return fault_hint(fault_new(F_INVALID, "the root disk is too small for image "
						    "'%s'", spec->image),
					  "Give at least --system-overlay-size %s.", least);
		spec->system_bytes = image->size_bytes;
	}
	spec->image_digest = copy_or_null(image->manifest_digest);
	if (!spec->kernel)
		spec->kernel = xstrdup(or_else(image->kernel, config->default_kernel));
	return NULL;
}

static struct fault *make_work_disk(const struct vm_dir *dir, uint64_t size_bytes)
{
	struct ext4_options options = { .size_bytes = size_bytes, .label = "banger-work",
					.root_mode = 0700 };
	AUTO_FD fd = openat(dir->fd, VM_WORK_FILE,
			    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return fault_sys(F_SYS, "creating the work disk");
	TRY(fault_wrap(ext4_make_empty(fd, &options), "making the work disk"));
	return fsync(fd) < 0 ? fault_sys(F_SYS, "writing the work disk") : NULL;
}

static struct fault *fill_dir(const struct store *s, const struct vm_dir *dir, bool qcow2_ok,
			      struct vm_spec *spec)
{
	AUTO_FREE char *rootfs = NULL;
	const char *made = NULL;

	TRY(image_rootfs_path(s, spec->image, &rootfs));
	TRY(root_disk_make(rootfs, dir->fd, VM_ROOT_FILE, VM_COW_FILE, spec->system_bytes,
			   spec->disk_mode, qcow2_ok, &made));
	free(spec->disk_mode);
	spec->disk_mode = xstrdup(made);
	TRY(make_work_disk(dir, spec->disk_bytes));
	TRY(ssh_host_key_ensure(dir->fd, spec->name));
	return vm_spec_write(dir, spec);
}

/* Short ids name sockets and devices, so two VMs must not share one. */
static struct fault *short_id_taken(const struct store *s, const struct vm_spec *spec, bool *taken)
{
	struct strings names;

	TRY(store_names(s, COLLECTION_VMS, &names));
	*taken = false;
	for (size_t i = 0; i < names.n && !*taken; i++) {
		AUTO_VM_DIR dir = VM_DIR_INIT;
		struct vm_spec other = { 0 };
		AUTO_FAULT f = vm_dir_open(s, names.v[i], &dir);

		if (!f)
			f = vm_spec_read(&dir, &other);
		*taken = !f && strcmp(names.v[i], spec->name) &&
			 !strncmp(other.id, spec->id, SHORT_ID_LEN);
		record_release(&vm_spec_type, &other);
	}
	strings_release(&names);
	return NULL;
}

struct fault *vm_draw_id(const struct store *s, struct vm_spec *spec)
{
	bool taken = true;

	while (taken) {
		free(spec->id);
		spec->id = new_id();
		TRY(short_id_taken(s, spec, &taken));
	}
	return NULL;
}

/* From an empty hidden directory to a VM; the image is kept from being deleted meanwhile. */
static struct fault *make(const struct store *s, const struct config *config, bool qcow2_ok,
			  struct vm_spec *spec)
{
	AUTO_LOCK image = LOCK_INIT;
	AUTO_LOCK kernel = LOCK_INIT;
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct fault *f;

	TRY(vm_dir_stage(s, spec->name, &dir));
	f = store_object_lock(s, COLLECTION_IMAGES, spec->image, LOCK_SHARED, "create", &image);
	if (!f)
		f = store_object_lock(s, COLLECTION_KERNELS, spec->kernel, LOCK_SHARED, "create",
				      &kernel);
	if (!f)
		f = vm_draw_id(s, spec);
	if (!f)
		f = vm_claim_address(s, config, spec);
	if (!f)
		f = fill_dir(s, &dir, qcow2_ok, spec);
	if (!f)
		f = vm_dir_publish(s, &dir);
	if (f)
		f = fault_attach(f, vm_dir_discard(s, &dir));
	if (f)
		f = fault_attach(f, vm_release_address(s, spec));
	return f;
}

static struct fault *create(const struct store *s, const struct config *config,
			    struct progress *progress, const struct vm_create *wanted,
			    const struct image_locks *locks, const struct vmm_choice *choice,
			    struct vm_spec *spec)
{
	struct image_record image = { 0 };
	const char *digest = NULL;
	char *name = NULL;
	struct fault *f;

	if (wanted->locked)
		TRY(image_locks_digest(locks, spec->image, machine_arch(), &digest));
	TRY(image_ensure(s, spec->image, digest, progress, &name));
	free(spec->image);
	spec->image = name; /* what was wanted may have been a reference */
	f = image_load(s, spec->image, &image);
	if (!f)
		f = adopt_image(config, &image, wanted->system_bytes != 0, spec);
	if (!f)
		f = kernel_ensure(s, spec->kernel, progress);
	if (!f && wanted->locked)
		f = image_locks_kernel(locks, s, spec->kernel);
	if (!f)
		f = make(s, config, choice->driver->qcow2, spec);
	record_release(&image_record_type, &image);
	return f;
}

static struct fault *check(const struct store *s, const struct config *config,
			   const struct vm_create *wanted, struct vm_spec *spec,
			   struct vmm_choice *choice)
{
	const struct vmm_need need = { .user_net = !strcmp(spec->net, "user"),
				       .qcow2 = !strcmp(spec->disk_mode, "qcow2"),
				       .vcpu = spec->vcpu };

	TRY(name_check_vm(spec->name));
	TRY(image_check_wanted(spec->image));
	if (spec->kernel)
		TRY(name_check_object("kernel", spec->kernel));
	TRY(vm_sizes_check(spec));
	TRY(check_words(spec));
	TRY(check_net(config, wanted, spec));
	TRY(labels_normalise(&spec->labels));
	TRY(limits_check(spec));
	TRY(forward_check(&spec->ports, false));
	TRY(forward_check_free(&spec->ports));
	TRY(check_name_free(s, spec->name));
	TRY(check_space(s));
	TRY(vmm_choose(s, spec->vmm, &need, config, choice));
	/*
	 * Emulated CPUs are threads that take turns at one lock of QEMU's.  Where the host is busy, one that
	 * spins for a lock of the guest's may keep the one that has it from running, for ever.
	 */
	if (!choice->kvm && !wanted->vcpu && config_is_preset(config, "vm_defaults.vcpu"))
		spec->vcpu = 1;
	return root_disk_check(s->collections[COLLECTION_VMS], spec->disk_mode,
			       choice->driver->qcow2);
}

struct fault *vm_create(const struct store *s, const struct config *config,
			struct progress *progress, const struct vm_create *wanted,
			void (*announce)(void *context, const struct vm_spec *spec), void *context,
			char **name)
{
	AUTO_IMAGE_LOCKS locks = { 0 };
	struct vmm_choice choice = { 0 };
	struct vm_spec spec;
	struct fault *f;

	if (wanted->locked)
		TRY(image_locks_read(wanted->locked, &locks));
	fill_spec(s, config, wanted, &spec);
	f = check(s, config, wanted, &spec, &choice);
	if (!f && choice.note)
		progress_note(progress, "banger: %s", choice.note);
	for (int tries = 0; !f; tries++) {
		if (announce)
			announce(context, &spec);
		f = create(s, config, progress, wanted, &locks, &choice, &spec);
		if (!f || fault_kind(f) != F_EXISTS || wanted->name || tries == GENERATE_TRIES)
			break;
		/* Somebody else was given the same words at the same time. */
		fault_free(f);
		f = NULL;
		free(spec.name);
		spec.name = free_name(s);
	}
	if (!f)
		*name = xstrdup(spec.name);
	vmm_choice_release(&choice);
	record_release(&vm_spec_type, &spec);
	return f;
}
