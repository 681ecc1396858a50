/* SPDX-License-Identifier: MIT */
#include "base/table.h"

#include <string.h>

#include "base/text.h"

void table_init(struct table *t, const char *const *header)
{
	*t = (struct table){ 0 };
	for (; header[t->columns]; t->columns++)
		table_cell(t, header[t->columns]);
}

void table_cell(struct table *t, const char *text)
{
	AUTO_BUF safe = BUF_INIT;

	text_add_printable(&safe, text ? text : "-", strlen(text ? text : "-"));
	strings_add(&t->cells, safe.data);
}

void table_cellf(struct table *t, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	table_cell(t, text);
}

/* Columns on screen: every byte that does not continue a UTF-8 sequence. */
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

void table_render(struct table *t, struct buf *out)
{
	AUTO_FREE size_t *widths = xcalloc(t->columns, sizeof(*widths));

	for (size_t i = 0; i < t->cells.n; i++) {
		size_t w = width(t->cells.v[i]);

		if (w > widths[i % t->columns])
			widths[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->cells.n; i++) {
		size_t column = i % t->columns;

		buf_adds(out, t->cells.v[i]);
		if (column + 1 == t->columns) {
			while (out->len && out->data[out->len - 1] == ' ')
				out->data[--out->len] = '\0';
			buf_addc(out, '\n');
			continue;
		}
		for (size_t w = width(t->cells.v[i]); w < widths[column] + 2; w++)
			buf_addc(out, ' ');
	}
	strings_release(&t->cells);
}
