/* SPDX-License-Identifier: MIT */
#include "banger/stats_view.h"

#include <poll.h>
#include <string.h>

#include "banger/crowd.h"
#include "banger/output.h"
#include "base/cancel.h"
#include "base/text.h"
#include "vm/stats.h"

#define GUEST_WAIT_MS 1000
#define VMM_WAIT_MS   500
#define SPARKS	      16

/* What was seen of one VM before. */
struct past {
	char *name; /* owned */
	struct vm_stats last;
	unsigned int sparks[SPARKS]; /* per mille of its CPUs, the newest last */
	size_t n_sparks;
};

struct screen {
	struct invocation *inv;
	const struct stats_view *view;
	bool live; /* redraw in place */
	struct past *past;
	size_t n_past;
};

static struct fault *act_stats(struct target *t, struct vm *vm)
{
	const struct stats_view *view = t->context;
	struct vm_stats_ask ask = { .guest = view->guest, .guest_ms = GUEST_WAIT_MS, .pss = true,
				    .vmm_ms = VMM_WAIT_MS };
	struct vm_stats *s = xcalloc(1, sizeof(*s));

	vm_stats_take(vm, &ask, s);
	t->result = s;
	return NULL;
}

/* ----------------------------------------------------------------------------------- the past */

static struct past *past_of(struct screen *s, const char *name)
{
	for (size_t i = 0; i < s->n_past; i++)
		if (!strcmp(s->past[i].name, name))
			return &s->past[i];
	s->past = xrealloc_array(s->past, s->n_past + 1, sizeof(*s->past));
	s->past[s->n_past] = (struct past){ .name = xstrdup(name) };
	return &s->past[s->n_past++];
}

static void remember(struct past *p, const struct vm_stats *now)
{
	uint64_t cpus = now->vcpus ? now->vcpus : 1;
	unsigned int load = (unsigned int)(now->cpu_permille.value / cpus);

	if (p->n_sparks == SPARKS)
		memmove(p->sparks, p->sparks + 1, (SPARKS - 1) * sizeof(p->sparks[0]));
	else
		p->n_sparks++;
	p->sparks[p->n_sparks - 1] = load;
	record_release(&vm_stats_type, &p->last);
	record_copy(&vm_stats_type, now, &p->last);
}

static void compare_with_past(struct screen *s, struct records *list)
{
	struct vm_stats *all = list->v;

	for (size_t i = 0; s->view->watch && i < list->n; i++) {
		struct past *p = past_of(s, all[i].name);

		if (p->last.name)
			vm_stats_since(&all[i], &p->last);
		remember(p, &all[i]);
	}
}

static void add_sparks(struct table *t, const struct past *p)
{
	static const char marks[] = " .:-=+*#%@";
	char line[SPARKS + 1] = "";
	size_t n = p->n_sparks;

	for (size_t i = 0; i < n; i++) {
		size_t level = (p->sparks[i] + 99) / 100;

		line[i] = marks[level < sizeof(marks) - 2 ? level : sizeof(marks) - 2];
	}
	table_cellf(t, "|%*s|", SPARKS, line);
}

/* ---------------------------------------------------------------------------------- the table */

static void add_size(struct table *t, struct maybe bytes)
{
	AUTO_FREE char *text = bytes.known ? text_size(bytes.value) : NULL;

	table_cell(t, text);
}

static void add_pair(struct table *t, struct maybe used, struct maybe total)
{
	AUTO_FREE char *part = used.known ? text_size(used.value) : NULL;
	AUTO_FREE char *whole = total.known ? text_size(total.value) : NULL;

	if (part && whole)
		table_cellf(t, "%s/%s", part, whole);
	else
		table_cell(t, part);
}

static struct maybe less(struct maybe total, struct maybe rest)
{
	return total.known && rest.known && total.value >= rest.value
		       ? MAYBE(total.value - rest.value)
		       : (struct maybe){ 0 };
}

static void add_age(struct table *t, const char *time_text)
{
	AUTO_FREE char *age = NULL;
	time_t when;

	if (!time_text || !text_parse_time(time_text, &when)) {
		table_cell(t, NULL);
		return;
	}
	age = text_age((int64_t)(time(NULL) - when));
	table_cellf(t, "%s ago", age);
}

static struct maybe disk_bytes(const struct vm_stats *s, bool written)
{
	const struct vm_stats_disk *all = s->disks.v;
	struct maybe sum = { .known = s->disks.n != 0 };

	for (size_t i = 0; i < s->disks.n; i++)
		sum.value += written ? all[i].write_bytes : all[i].read_bytes;
	return sum;
}

/* The host's counters or, with a network that the host cannot see, the guest's own. */
static struct maybe net_bytes(const struct vm_stats *s, bool sent)
{
	struct maybe host = sent ? s->tx_bytes : s->rx_bytes;

	return host.known ? host : sent ? s->guest.tx_bytes : s->guest.rx_bytes;
}

static void add_row(struct screen *screen, struct table *t, const struct vm_stats *s)
{
	struct maybe guest_used = less(s->guest.memory_total_bytes, s->guest.memory_available_bytes);
	AUTO_FREE char *up = s->uptime_s.known ? text_age((int64_t)s->uptime_s.value) : NULL;

	table_cell(t, s->name);
	table_cell(t, s->state);
	if (s->cpu_permille.known)
		table_cellf(t, "%llu.%llu", (unsigned long long)(s->cpu_permille.value / 10),
			    (unsigned long long)(s->cpu_permille.value % 10));
	else
		table_cell(t, NULL);
	if (screen->live)
		add_sparks(t, past_of(screen, s->name));
	add_size(t, s->rss_bytes);
	add_size(t, s->pss_bytes);
	add_pair(t, guest_used, s->guest.memory_total_bytes);
	add_pair(t, s->root_allocated_bytes, s->root_size_bytes);
	add_pair(t, s->work_allocated_bytes, s->work_size_bytes);
	add_pair(t, disk_bytes(s, false), disk_bytes(s, true));
	add_pair(t, net_bytes(s, false), net_bytes(s, true));
	table_cell(t, up);
	add_age(t, s->touched);
}

static const char *const header_live[] = { "NAME", "STATE", "CPU%", "CPU", "RSS", "PSS", "GUEST MEM",
					   "ROOT DISK", "WORK DISK", "BLOCK R/W", "NET R/T", "UP",
					   "USED", NULL };
static const char *const header_plain[] = { "NAME", "STATE", "CPU%", "RSS", "PSS", "GUEST MEM",
					    "ROOT DISK", "WORK DISK", "BLOCK R/W", "NET R/T", "UP",
					    "USED", NULL };

/* In place: from the top, each line wiped to its end, then everything below. */
static struct fault *print_live(const struct buf *text)
{
	AUTO_BUF out = BUF_INIT;

	buf_adds(&out, "\033[H");
	for (const char *c = text->data; *c; c++) {
		if (*c == '\n')
			buf_adds(&out, "\033[K");
		buf_addc(&out, *c);
	}
	buf_adds(&out, "\033[J");
	TRY(print_text(out.data));
	return fflush(stdout) ? output_write_fault() : NULL;
}

static struct fault *print_all(struct screen *s, const struct records *list)
{
	const struct vm_stats *all = list->v;
	AUTO_BUF text = BUF_INIT;
	struct table table;

	if (s->inv->json)
		return print_records(&vm_stats_type, list);
	table_init(&table, s->live ? header_live : header_plain);
	for (size_t i = 0; i < list->n; i++)
		add_row(s, &table, &all[i]);
	table_render(&table, &text);
	if (s->live)
		return print_live(&text);
	if (s->view->watch)
		buf_addc(&text, '\n');
	TRY(print_text(text.data));
	return fflush(stdout) ? output_write_fault() : NULL;
}

/* ------------------------------------------------------------------------------------- rounds */

static int busiest_first(const void *a, const void *b)
{
	const struct vm_stats *x = a, *y = b;
	uint64_t left = x->cpu_permille.value, right = y->cpu_permille.value;

	return left == right ? strcmp(x->name, y->name) : left < right ? 1 : -1;
}

static void collect(struct screen *s, struct crowd *crowd, struct records *list)
{
	for (size_t i = 0; i < crowd->n; i++) {
		struct vm_stats *one = crowd->targets[i].result;

		if (!one)
			continue;
		if (s->view->by_cpu && !one->pid.known)
			record_release(&vm_stats_type, one);
		else
			*(struct vm_stats *)records_add(list, sizeof(*one)) = *one;
		free(one);
	}
	compare_with_past(s, list);
	if (s->view->by_cpu && list->n)
		qsort(list->v, list->n, sizeof(struct vm_stats), busiest_first);
}

static struct fault *one_round(struct screen *s)
{
	struct records list = { 0 };
	struct crowd crowd;
	struct fault *f;

	TRY(crowd_run(s->inv, &(struct target){ .inv = s->inv, .act = act_stats,
						.context = s->view }, true, &crowd));
	collect(s, &crowd, &list);
	f = crowd_faults(&crowd, false);
	if (!f && (list.n || s->inv->json || crowd.n != 1))
		f = print_all(s, &list);
	for (size_t i = 0; i < list.n; i++)
		record_release(&vm_stats_type, (struct vm_stats *)list.v + i);
	free(list.v);
	crowd_release(&crowd);
	return f;
}

static bool pause_was_cut(uint64_t ms)
{
	struct pollfd stop = { .fd = cancel_fd(), .events = POLLIN };
	AUTO_FAULT f = NULL;

	poll(&stop, 1, ms > INT32_MAX ? INT32_MAX : (int)ms);
	f = cancel_check();
	return f != NULL;
}

struct fault *stats_view_run(struct invocation *inv, const struct stats_view *view)
{
	struct screen s = { .inv = inv, .view = view,
			    .live = view->watch && !inv->json && output_is_live(STDOUT_FILENO) };
	struct fault *f = s.live ? print_text("\033[2J") : NULL;

	for (uint64_t round = 1; !f; round++) {
		f = one_round(&s);
		/* A signal is the usual way to end it, so it is no failure. */
		if (f || !view->watch || round == view->count || output_gone() ||
		    pause_was_cut(view->interval_ms))
			break;
	}
	for (size_t i = 0; i < s.n_past; i++) {
		free(s.past[i].name);
		record_release(&vm_stats_type, &s.past[i].last);
	}
	free(s.past);
	if (f && view->watch && fault_kind(f) == F_CANCELLED) {
		fault_free(f);
		f = NULL;
	}
	return f;
}
