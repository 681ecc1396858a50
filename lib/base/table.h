/* SPDX-License-Identifier: MIT */
/* table.h - aligned columns: header in capitals, two spaces between columns, no trailing blanks. */
#ifndef BANGER_BASE_TABLE_H
#define BANGER_BASE_TABLE_H

#include "base/buf.h"
#include "base/json.h"

struct table {
	size_t columns;
	struct strings cells; /* row after row, the header first */
};

/* table_init() - @header: NULL-terminated column titles. */
void table_init(struct table *t, const char *const *header);
/* table_cell() - append one cell; control characters are made visible. NULL prints as "-". */
void table_cell(struct table *t, const char *text);
void table_cellf(struct table *t, const char *fmt, ...) PRINTF(2, 3);
/* table_render() - append the whole table to @out and release it. */
void table_render(struct table *t, struct buf *out);

#endif
