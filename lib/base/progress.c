/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/text.h"

#define REDRAW_MS 100
#define RATE_MS	  1000 /* before that a rate says nothing */

/* Two threads must not write into one line. */
static pthread_mutex_t drawing = PTHREAD_MUTEX_INITIALIZER;

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
	pthread_mutex_lock(&drawing);
	free(p->stage);
	va_start(ap, fmt);
	p->stage = xvasprintf(fmt, ap);
	va_end(ap);
	p->stage_ms = clock_now_ms();
	if (p->live) {
		draw(p, "");
	} else {
		fprintf(p->out, "%s\n", p->stage);
		fflush(p->out);
	}
	pthread_mutex_unlock(&drawing);
}

/* " 12M of 50M, 8M/s".  Owned. */
static char *amount_text(const struct progress *p, uint64_t done, uint64_t total)
{
	int64_t ms = clock_now_ms() - p->stage_ms;
	AUTO_FREE char *done_text = text_size(done), *total_text = text_size(total);
	AUTO_FREE char *rate_text = text_size(ms > 0 ? done * 1000 / (uint64_t)ms : 0);
	bool rate = ms >= RATE_MS;

	return xasprintf(" %s%s%s%s%s%s", done_text, total ? " of " : "", total ? total_text : "",
			 rate ? ", " : "", rate ? rate_text : "", rate ? "/s" : "");
}

void progress_amount(struct progress *p, uint64_t done, uint64_t total)
{
	if (!p || !p->out || !p->live)
		return;
	pthread_mutex_lock(&drawing);
	if (p->stage && clock_now_ms() - p->last_ms >= REDRAW_MS) {
		AUTO_FREE char *tail = amount_text(p, done, total);

		draw(p, tail);
	}
	pthread_mutex_unlock(&drawing);
}

void progress_note(struct progress *p, const char *fmt, ...)
{
	va_list ap;

	if (!p || !p->out)
		return;
	pthread_mutex_lock(&drawing);
	wipe(p);
	va_start(ap, fmt);
	vfprintf(p->out, fmt, ap);
	va_end(ap);
	fputc('\n', p->out);
	fflush(p->out);
	pthread_mutex_unlock(&drawing);
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
