/* SPDX-License-Identifier: MIT */
#include "base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The power of 1024 a unit letter stands for; -1 when it is none. */
static int unit_power(char c)
{
	static const char units[] = "BKMGT";
	char upper = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
	const char *at = c ? strchr(units, upper) : NULL;

	return at ? (int)(at - units) : -1;
}

static struct fault *bad_size(const char *text, const char *what)
{
	return fault_new(F_INVALID,
			 "%s: '%s' is not a size; write a positive number with a unit, like 512M or 8G",
			 what, text);
}

/* The unit part "", "B", "M", "MB" or "MiB" as a power of 1024; -1 when it is none of them. */
static int parse_unit(const char *s)
{
	int power = *s ? unit_power(*s) : 0;

	if (!*s || power < 0)
		return power;
	s++;
	if (power && *s == 'i')
		s++;
	if (power && (*s == 'B' || *s == 'b'))
		s++;
	return *s ? -1 : power;
}

struct fault *text_parse_size(const char *text, const char *what, uint64_t *bytes)
{
	double number;
	char *end = NULL;
	int power;

	if (!is_digit(text[0]) || strspn(text, "0123456789.") > 18 || text[1] == 'x')
		return bad_size(text, what);
	number = strtod(text, &end);
	if (strpbrk(text, "eE") && strpbrk(text, "eE") < end)
		return bad_size(text, what);
	power = parse_unit(end);
	if (power < 0)
		return bad_size(text, what);
	while (power-- > 0)
		number *= 1024;
	if (number < 1)
		return bad_size(text, what);
	if (number > (double)(1024 * 1024 * GIB))
		return fault_new(F_INVALID, "%s: '%s' is larger than any disk or memory", what,
				 text);
	*bytes = (uint64_t)number;
	return NULL;
}

struct fault *text_parse_count(const char *text, const char *what, uint64_t min, uint64_t max,
			       uint64_t *out)
{
	unsigned long long value = 0;
	size_t len = strspn(text, "0123456789");

	errno = 0;
	if (len && !text[len])
		value = strtoull(text, NULL, 10);
	if (!len || text[len] || errno || value < min || value > max)
		return fault_new(F_INVALID, "%s: '%s' is not a number from %llu to %llu", what, text,
				 (unsigned long long)min, (unsigned long long)max);
	*out = value;
	return NULL;
}

static bool duration_unit(const char **s, uint64_t *factor)
{
	static const struct {
		const char *name;
		uint64_t ms;
	} units[] = {
		{ "ms", 1 },	    { "s", 1000 },	     { "m", 60 * 1000 },
		{ "h", 3600 * 1000 }, { "d", UINT64_C(86400) * 1000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		size_t len = strlen(units[i].name);

		if (!strncmp(*s, units[i].name, len) && (!(*s)[len] || is_digit((*s)[len]))) {
			*s += len;
			*factor = units[i].ms;
			return true;
		}
	}
	return false;
}

struct fault *text_parse_duration(const char *text, const char *what, uint64_t *ms)
{
	const uint64_t limit = UINT64_C(10000) * 86400 * 1000;
	const char *s = text;
	uint64_t total = 0;

	do {
		size_t len = strspn(s, "0123456789");
		uint64_t factor = 1000, number;

		if (!len || len > 15)
			goto bad;
		number = strtoull(s, NULL, 10);
		s += len;
		if (*s ? !duration_unit(&s, &factor) : s - len != text)
			goto bad;
		if (number > limit / factor || (total += number * factor) > limit)
			goto bad;
	} while (*s);
	*ms = total;
	return NULL;
bad:
	return fault_new(F_INVALID, "%s: '%s' is not a duration; write it like 90s, 5m or 2h30m",
			 what, text);
}

char *text_size(uint64_t bytes)
{
	static const char units[] = "BKMGT";
	uint64_t unit = 1;
	int power = 0;

	while (power < 4 && bytes >= unit * 1024) {
		unit *= 1024;
		power++;
	}
	if (bytes % unit == 0 || bytes / unit >= 100)
		return xasprintf("%llu%c", (unsigned long long)((bytes + unit / 2) / unit),
				 units[power]);
	return xasprintf("%.1f%c", (double)bytes / (double)unit, units[power]);
}

char *text_age(int64_t seconds)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds < 120)
		return xasprintf("%lld s", (long long)seconds);
	if (seconds < 120 * 60)
		return xasprintf("%lld min", (long long)(seconds / 60));
	if (seconds < 48 * 3600)
		return xasprintf("%lld h", (long long)(seconds / 3600));
	return xasprintf("%lld d", (long long)(seconds / 86400));
}

char *text_time(time_t when)
{
	char text[32];
	struct tm tm;

	if (!gmtime_r(&when, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm))
		return xstrdup("-");
	return xstrdup(text);
}

_Bool text_parse_time(const char *text, time_t *out)
{
	struct tm tm = { 0 };
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &tm);

	if (!end || *end)
		return false;
	*out = timegm(&tm);
	return true;
}

/*
 * Bytes of the well-formed UTF-8 character at @s that a terminal may see, 0 when there is none:
 * malformed (RFC 3629), or a control character (C0, DEL, C1).
 */
static size_t printable_len(const unsigned char *s, size_t left)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	uint32_t code = len == 1 ? s[0] : s[0] & (0x7fu >> len);

	if (!len || len > left || s[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	return code < 0x20 || (code >= 0x7f && code < 0xa0) ? 0 : len;
}

void text_add_printable(struct buf *b, const char *text, size_t len)
{
	while (len) {
		size_t n = printable_len((const unsigned char *)text, len);

		if (n)
			buf_add(b, text, n);
		else
			buf_addf(b, "\\x%02x", (unsigned char)*text);
		n += !n;
		text += n;
		len -= n;
	}
}

char *text_hex(const void *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;
	char *text = xmalloc(len * 2 + 1);

	for (size_t i = 0; i < len; i++) {
		text[2 * i] = digits[p[i] >> 4];
		text[2 * i + 1] = digits[p[i] & 15];
	}
	text[len * 2] = '\0';
	return text;
}
