/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include "base/clock.h"
#include "base/text.h"

#define REDRAW_MS 100

void progress_init(struct progress *p, FILE *out, bool live)
{
	*p = (struct progress){ .out = out, .live = live };
}

static void wipe(struct progress *p)
{
	if (p->drawn)
		fputs("\r\033[K", p->out);
	p->drawn = false;
}

static void draw(struct progress *p, const char *tail)
{
	fprintf(p->out, "\r\033[K%s%s", p->stage, tail);
	fflush(p->out);
	p->drawn = true;
	p->last_ms = clock_now_ms();
}

void progress_stage(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (!p || !p->out)
		return;
	free(p->stage);
	va_start(ap, fmt);
	p->stage = xvasprintf(fmt, ap);
	va_end(ap);
	if (p->live) {
		draw(p, "");
	} else {
		fprintf(p->out, "%s\n", p->stage);
		fflush(p->out);
	}
}

void progress_amount(struct progress *p, uint64_t done, uint64_t total)
{
	AUTO_FREE char *done_text = NULL, *total_text = NULL, *tail = NULL;

	if (!p || !p->out || !p->live || !p->stage || clock_now_ms() - p->last_ms < REDRAW_MS)
		return;
	done_text = text_size(done);
	total_text = text_size(total);
	tail = total ? xasprintf(" %s of %s", done_text, total_text) : xasprintf(" %s", done_text);
	draw(p, tail);
}

void progress_note(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (!p || !p->out)
		return;
	wipe(p);
	va_start(ap, fmt);
	vfprintf(p->out, fmt, ap);
	va_end(ap);
	fputc('\n', p->out);
	fflush(p->out);
}

void progress_end(struct progress *p)
{
	if (!p)
		return;
	if (p->out) {
		wipe(p);
		fflush(p->out);
	}
	free(p->stage);
	p->stage = NULL;
}
