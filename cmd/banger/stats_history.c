/* SPDX-License-Identifier: MIT */
#include "banger/stats_history.h"

#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/text.h"
#include "store/stats_ring.h"
#include "vm/vm.h"

#define PLOT_HEIGHT 8
#define PLOT_WIDTH  60
#define WIDTH_MAX   400

/* Rates of the time between a sample and the one before it. */
struct moment {
	char *vm, *time;
	uint64_t cpu_permille, rss_bytes, io_bytes_s, net_bytes_s, disk_bytes;
	int64_t wall_ms; /* not printed */
};

static const struct field moment_fields[] = {
	FIELD(struct moment, vm, FIELD_STRING),
	FIELD(struct moment, time, FIELD_STRING),
	FIELD(struct moment, cpu_permille, FIELD_U64),
	FIELD(struct moment, rss_bytes, FIELD_U64),
	FIELD(struct moment, io_bytes_s, FIELD_U64),
	FIELD(struct moment, net_bytes_s, FIELD_U64),
	FIELD(struct moment, disk_bytes, FIELD_U64),
};
static const struct record_type moment_type = {
	"moment", sizeof(struct moment), moment_fields, ARRAY_LEN(moment_fields), 0,
};

static uint64_t per_second(uint64_t before, uint64_t now, int64_t elapsed_ms)
{
	return now > before ? (now - before) * 1000 / (uint64_t)elapsed_ms : 0;
}

/* The first sample of a process has nothing to be compared with and is only that. */
static void add_moments(const char *vm, const struct records *samples, struct records *out)
{
	const struct stats_sample *s = samples->v;

	for (size_t i = 1; i < samples->n; i++) {
		int64_t elapsed = s[i].wall_ms - s[i - 1].wall_ms;
		struct moment *m;

		if (s[i].process != s[i - 1].process || elapsed <= 0)
			continue;
		m = records_add(out, sizeof(*m));
		*m = (struct moment){
			.vm = xstrdup(vm),
			.time = text_time((time_t)(s[i].wall_ms / 1000)),
			.cpu_permille = per_second(s[i - 1].cpu_ms, s[i].cpu_ms, elapsed),
			.rss_bytes = s[i].rss_bytes,
			.io_bytes_s = per_second(s[i - 1].io_bytes, s[i].io_bytes, elapsed),
			.net_bytes_s = per_second(s[i - 1].net_bytes, s[i].net_bytes, elapsed),
			.disk_bytes = s[i].disk_bytes,
			.wall_ms = s[i].wall_ms,
		};
	}
}

/* ---------------------------------------------------------------------------------------- plot */

static const struct series {
	const char *name, *title;
	size_t offset;
	bool percent; /* else bytes */
} all_series[] = {
	{ "cpu", "CPU, percent of one", offsetof(struct moment, cpu_permille), true },
	{ "mem", "memory (RSS)", offsetof(struct moment, rss_bytes), false },
	{ "io", "read and written a second", offsetof(struct moment, io_bytes_s), false },
	{ "net", "network a second", offsetof(struct moment, net_bytes_s), false },
	{ "disk", "disks, allocated", offsetof(struct moment, disk_bytes), false },
};

static uint64_t value_of(const struct moment *m, const struct series *s)
{
	return *(const uint64_t *)((const char *)m + s->offset);
}

static char *value_text(const struct series *s, uint64_t value)
{
	return s->percent ? xasprintf("%llu.%llu", (unsigned long long)(value / 10),
				      (unsigned long long)(value % 10))
			  : text_size(value);
}

struct column {
	uint64_t sum, n;
};

static int plot_width(void)
{
	struct winsize size = { 0 };

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 30)
		return PLOT_WIDTH;
	return size.ws_col > WIDTH_MAX ? WIDTH_MAX - 12 : size.ws_col - 12;
}

/* Each column is the mean of what was seen in its part of the time; nothing seen is a gap. */
static uint64_t fill_columns(const struct series *s, const struct records *moments, int64_t from_ms,
			     int64_t to_ms, struct column *columns, int width)
{
	const struct moment *all = moments->v;
	uint64_t top = 0;

	for (size_t i = 0; i < moments->n; i++) {
		int64_t at = (all[i].wall_ms - from_ms) * width / (to_ms - from_ms + 1);

		if (at < 0 || at >= width)
			continue;
		columns[at].sum += value_of(&all[i], s);
		columns[at].n++;
	}
	for (int i = 0; i < width; i++)
		if (columns[i].n && columns[i].sum / columns[i].n > top)
			top = columns[i].sum / columns[i].n;
	return top;
}

static void draw(const struct series *s, const struct column *columns, int width, uint64_t top,
		 uint64_t since_ms, struct buf *out)
{
	AUTO_FREE char *high = value_text(s, top);
	AUTO_FREE char *age = text_age((int64_t)(since_ms / 1000));

	for (int row = PLOT_HEIGHT; row > 0; row--) {
		buf_addf(out, "%9s |", row == PLOT_HEIGHT ? high : "");
		for (int i = 0; i < width; i++) {
			uint64_t mean = columns[i].n ? columns[i].sum / columns[i].n : 0;
			bool full = mean && mean * PLOT_HEIGHT > top * (uint64_t)(row - 1);

			buf_addc(out, full ? '#' : row == 1 && columns[i].n ? '.' : ' ');
		}
		while (out->len && out->data[out->len - 1] == ' ')
			out->data[--out->len] = '\0';
		buf_addc(out, '\n');
	}
	buf_addf(out, "%9s +", "0");
	for (int i = 0; i < width; i++)
		buf_addc(out, '-');
	buf_addf(out, "\n%9s  -%-*snow\n", "", width - 4, age);
}

static struct fault *plot_one(const struct series *s, const char *vm, const struct records *moments,
			      uint64_t since_ms)
{
	int width = plot_width();
	AUTO_FREE struct column *columns = xcalloc((size_t)width, sizeof(*columns));
	int64_t now = (int64_t)time(NULL) * 1000 + 999;
	AUTO_BUF out = BUF_INIT;
	uint64_t top = fill_columns(s, moments, now - (int64_t)since_ms, now, columns, width);

	buf_addf(&out, "%s: %s\n", vm, s->title);
	draw(s, columns, width, top, since_ms, &out);
	return print_text(out.data);
}

static const struct series *find_series(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(all_series); i++)
		if (!strcmp(all_series[i].name, name))
			return &all_series[i];
	return NULL;
}

/* With @vm NULL it only checks the words. */
static struct fault *plot_all(const char *plot, const char *vm, const struct records *moments,
			      uint64_t since_ms)
{
	AUTO_FREE char *copy = xstrdup(plot);
	char *rest = copy;

	while (rest) {
		const char *word = strsep(&rest, ",");
		const struct series *s = find_series(word);

		if (!s)
			return fault_new(F_USAGE, "--plot: there is no '%.32s'; use cpu, mem, io, net or "
					 "disk", word);
		if (vm)
			TRY(plot_one(s, vm, moments, since_ms));
	}
	return NULL;
}

/* --------------------------------------------------------------------------------------- table */

static struct fault *print_moments(const struct records *moments)
{
	static const char *const header[] = { "VM", "TIME", "CPU%", "RSS", "IO/S", "NET/S", "DISK",
					      NULL };
	const struct moment *all = moments->v;
	struct table table;

	table_init(&table, header);
	for (size_t i = 0; i < moments->n; i++) {
		AUTO_FREE char *rss = text_size(all[i].rss_bytes), *io = text_size(all[i].io_bytes_s);
		AUTO_FREE char *net = text_size(all[i].net_bytes_s);
		AUTO_FREE char *disk = text_size(all[i].disk_bytes);

		table_cell(&table, all[i].vm);
		table_cell(&table, all[i].time);
		table_cellf(&table, "%llu.%llu", (unsigned long long)(all[i].cpu_permille / 10),
			    (unsigned long long)(all[i].cpu_permille % 10));
		table_cell(&table, rss);
		table_cell(&table, io);
		table_cell(&table, net);
		table_cell(&table, disk);
	}
	return print_table(&table);
}

static struct fault *collect(struct invocation *inv, const char *operand, uint64_t since_ms,
			     const char **name, struct records *out)
{
	AUTO_FREE char *found = NULL;
	AUTO_VM_DIR dir = VM_DIR_INIT;
	struct records samples;

	TRY(vm_resolve(&inv->store, operand, &found));
	TRY(vm_dir_open(&inv->store, found, &dir));
	TRY(stats_ring_read(&dir, (int64_t)time(NULL) * 1000 - (int64_t)since_ms, &samples));
	add_moments(found, &samples, out);
	free(samples.v);
	*name = steal_ptr(&found);
	return NULL;
}

static void release(struct records *moments)
{
	for (size_t i = 0; i < moments->n; i++)
		record_release(&moment_type, (struct moment *)moments->v + i);
	free(moments->v);
}

struct fault *stats_history_run(struct invocation *inv, const char *plot, uint64_t since_ms)
{
	struct records all = { 0 };
	struct fault *f = NULL;

	if (!inv->operands.n)
		return fault_new(F_USAGE, "the history of which VM? A name is needed");
	if (plot)
		TRY(plot_all(plot, NULL, NULL, since_ms));
	for (size_t i = 0; !f && i < inv->operands.n; i++) {
		AUTO_FREE const char *name = NULL;
		struct records one = { 0 };

		f = collect(inv, inv->operands.v[i], since_ms, &name, plot ? &one : &all);
		if (!f && plot)
			f = plot_all(plot, name, &one, since_ms);
		release(&one);
	}
	if (!f && !plot)
		f = inv->json ? print_records(&moment_type, &all) : print_moments(&all);
	release(&all);
	return f;
}
