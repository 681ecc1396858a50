/* SPDX-License-Identifier: MIT */
#include "base/progress.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"

#define REDRAW_MS 100
#define RATE_MS	  1000 /* before that a rate says nothing */

/* Two threads must not write into one line. */
static pthread_mutex_t drawing = PTHREAD_MUTEX_INITIALIZER;

void progress_init(struct progress *p, FILE *out, bool live)
{
	*p = (struct progress){ .out = out, .live = live };
}

/* Back to the beginning of the first line, all below it cleared. */
static void wipe(struct progress *p)
{
	if (p->rows)
		fprintf(p->out, "\033[%zuA\r\033[J", p->rows);
	else if (p->drawn)
		fputs("\r\033[K", p->out);
	p->drawn = false;
	p->rows = 0;
}

static void draw_stage(struct progress *p, const char *tail)
{
	wipe(p);
	fprintf(p->out, "%s%s", p->stage, tail);
	p->drawn = true;
	p->last_ms = clock_now_ms();
}

static void draw(struct progress *p, const char *tail)
{
	draw_stage(p, tail);
	fflush(p->out);
}

void progress_stage(struct progress *p, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	log_write(LOG_LEVEL_DEBUG, "%s", text);
	if (!p || !p->out)
		return;
	pthread_mutex_lock(&drawing);
	free(p->stage);
	p->stage = steal_ptr(&text);
	p->stage_ms = clock_now_ms();
	if (p->live) {
		draw(p, "");
	} else {
		fprintf(p->out, "%s\n", p->stage);
		fflush(p->out);
	}
	pthread_mutex_unlock(&drawing);
}

/* " 12M of 50M, 8M/s"; @moved: bytes since @since_ms.  Owned. */
static char *amount_text(uint64_t done, uint64_t total, uint64_t moved, int64_t since_ms)
{
	int64_t ms = clock_now_ms() - since_ms;
	AUTO_FREE char *done_text = text_size(done), *total_text = text_size(total);
	AUTO_FREE char *rate_text = text_size(ms > 0 ? moved * 1000 / (uint64_t)ms : 0);
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
		AUTO_FREE char *tail = amount_text(done, total, done, p->stage_ms);

		draw(p, tail);
	}
	pthread_mutex_unlock(&drawing);
}

void progress_rows(struct progress *p, const struct progress_row *rows, size_t n)
{
	if (!p || !p->out || !p->live)
		return;
	pthread_mutex_lock(&drawing);
	if (p->stage && clock_now_ms() - p->last_ms >= REDRAW_MS) {
		draw_stage(p, "");
		for (size_t i = 0; i < n; i++) {
			AUTO_FREE char *amount = amount_text(rows[i].done, rows[i].total,
							     rows[i].done - rows[i].from,
							     rows[i].since_ms);

			fprintf(p->out, "\n  %s:%s", rows[i].label, amount);
		}
		p->rows = n;
		fflush(p->out);
	}
	pthread_mutex_unlock(&drawing);
}

void progress_note(struct progress *p, const char *fmt, ...)
{
	AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	text = xvasprintf(fmt, ap);
	va_end(ap);
	log_write(LOG_LEVEL_WARN, "%s", text);
	if (!p || !p->out)
		return;
	pthread_mutex_lock(&drawing);
	wipe(p);
	fprintf(p->out, "%s\n", text);
	fflush(p->out);
	pthread_mutex_unlock(&drawing);
}

void progress_wipe(struct progress *p)
{
	if (!p || !p->out)
		return;
	pthread_mutex_lock(&drawing);
	wipe(p);
	fflush(p->out);
	pthread_mutex_unlock(&drawing);
}

void progress_end(struct progress *p)
{
	if (!p)
		return;
	progress_wipe(p);
	free(p->stage);
	p->stage = NULL;
}
