/* SPDX-License-Identifier: MIT */
/*
 * nss_banger.c - libnss_banger.so.2: <name>.vm in every program of the host, with no server.
 *
 * The functions and what they return are glibc's interface for modules ("NSS Module Function
 * Internals" in its manual): a buffer that is too small is TRYAGAIN with ERANGE, and glibc comes
 * back with a larger one; what is not ours is NOTFOUND, and the next module is asked.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <nss.h>
#include <stdalign.h>
#include <string.h>

#include "nss-banger/lookup.h"

/* No environment and no --state-dir here: only the state directory of root is the host's. */
#define NAMES_PATH "/var/lib/banger/names"

#define EXPORT __attribute__((visibility("default")))

enum nss_status _nss_banger_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
					     char *buffer, size_t buflen, int *errnop,
					     int *h_errnop, int32_t *ttlp);
enum nss_status _nss_banger_gethostbyname3_r(const char *name, int af, struct hostent *host,
					     char *buffer, size_t buflen, int *errnop,
					     int *h_errnop, int32_t *ttlp, char **canonp);
enum nss_status _nss_banger_gethostbyname2_r(const char *name, int af, struct hostent *host,
					     char *buffer, size_t buflen, int *errnop,
					     int *h_errnop);
enum nss_status _nss_banger_gethostbyname_r(const char *name, struct hostent *host, char *buffer,
					    size_t buflen, int *errnop, int *h_errnop);
enum nss_status _nss_banger_gethostbyaddr2_r(const void *addr, socklen_t len, int af,
					     struct hostent *host, char *buffer, size_t buflen,
					     int *errnop, int *h_errnop, int32_t *ttlp);
enum nss_status _nss_banger_gethostbyaddr_r(const void *addr, socklen_t len, int af,
					    struct hostent *host, char *buffer, size_t buflen,
					    int *errnop, int *h_errnop);

static enum nss_status answer(enum nss_status status, int error, int h_error, int *errnop,
			      int *h_errnop)
{
	*errnop = error;
	*h_errnop = h_error;
	return status;
}

static enum nss_status not_found(enum lookup_result r, int *errnop, int *h_errnop)
{
	if (r == LOOKUP_FAILED)
		return answer(NSS_STATUS_TRYAGAIN, EAGAIN, TRY_AGAIN, errnop, h_errnop);
	return answer(NSS_STATUS_NOTFOUND, ENOENT, HOST_NOT_FOUND, errnop, h_errnop);
}

static enum nss_status too_small(int *errnop, int *h_errnop)
{
	return answer(NSS_STATUS_TRYAGAIN, ERANGE, NETDB_INTERNAL, errnop, h_errnop);
}

/* Pieces of the caller's buffer, aligned; NULL when it is used up. */
struct space {
	char *at;
	size_t left;
};

static void *take(struct space *s, size_t size)
{
	size_t gap = -(uintptr_t)s->at % alignof(max_align_t);
	char *got = s->at + gap;

	if (s->left < gap || s->left - gap < size)
		return NULL;
	s->at = got + size;
	s->left -= gap + size;
	return got;
}

static char *take_name(struct space *s, const struct lookup_label *label)
{
	size_t len = strlen(label->text);
	char *name = take(s, len + sizeof(LOOKUP_ZONE));

	if (name) {
		memcpy(name, label->text, len);
		memcpy(name + len, LOOKUP_ZONE, sizeof(LOOKUP_ZONE));
	}
	return name;
}

static enum nss_status fill_host(const struct lookup_label *label,
				 const struct lookup_address *address, struct hostent *host,
				 char *buffer, size_t buflen, int *errnop, int *h_errnop)
{
	struct space space = { buffer, buflen };
	char **lists = take(&space, 3 * sizeof(*lists)); /* no alias; one address */
	char *bytes = lists ? take(&space, sizeof(*address)) : NULL;
	char *name = bytes ? take_name(&space, label) : NULL;

	if (!name)
		return too_small(errnop, h_errnop);
	memcpy(bytes, address, sizeof(*address));
	lists[0] = NULL;
	lists[1] = bytes;
	lists[2] = NULL;
	*host = (struct hostent){ .h_name = name,
				  .h_aliases = lists,
				  .h_addrtype = AF_INET,
				  .h_length = sizeof(*address),
				  .h_addr_list = lists + 1 };
	return answer(NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS, errnop, h_errnop);
}

/* A program's errno is not ours to change. */
static enum lookup_result find(const char *name, struct lookup_label *label,
			       struct lookup_address *address)
{
	int saved = errno;
	enum lookup_result r = LOOKUP_ABSENT;

	if (lookup_split(name, label))
		r = lookup_by_name(NAMES_PATH, 0, label, address);
	errno = saved;
	return r;
}

EXPORT enum nss_status _nss_banger_gethostbyname4_r(const char *name, struct gaih_addrtuple **pat,
						    char *buffer, size_t buflen, int *errnop,
						    int *h_errnop, int32_t *ttlp)
{
	struct space space = { buffer, buflen };
	struct lookup_address address;
	struct gaih_addrtuple *tuple;
	struct lookup_label label;
	enum lookup_result r = find(name, &label, &address);
	char *full;

	if (r != LOOKUP_FOUND)
		return not_found(r, errnop, h_errnop);
	/* Some callers bring the first tuple, the others leave it to us. */
	tuple = *pat ? *pat : take(&space, sizeof(*tuple));
	full = tuple ? take_name(&space, &label) : NULL;
	if (!full)
		return too_small(errnop, h_errnop);
	*tuple = (struct gaih_addrtuple){ .name = full, .family = AF_INET };
	memcpy(tuple->addr, &address, sizeof(address));
	*pat = tuple;
	if (ttlp)
		*ttlp = 0;
	return answer(NSS_STATUS_SUCCESS, 0, NETDB_SUCCESS, errnop, h_errnop);
}

EXPORT enum nss_status _nss_banger_gethostbyname3_r(const char *name, int af, struct hostent *host,
						    char *buffer, size_t buflen, int *errnop,
						    int *h_errnop, int32_t *ttlp, char **canonp)
{
	struct lookup_address address;
	struct lookup_label label;
	enum nss_status status;
	enum lookup_result r;

	if (af != AF_INET && af != AF_INET6 && af != AF_UNSPEC)
		return answer(NSS_STATUS_UNAVAIL, EAFNOSUPPORT, NO_DATA, errnop, h_errnop);
	r = find(name, &label, &address);
	if (r != LOOKUP_FOUND)
		return not_found(r, errnop, h_errnop);
	if (af == AF_INET6) /* the name is ours, and it has no such address */
		return answer(NSS_STATUS_NOTFOUND, ENOENT, NO_DATA, errnop, h_errnop);
	status = fill_host(&label, &address, host, buffer, buflen, errnop, h_errnop);
	if (status != NSS_STATUS_SUCCESS)
		return status;
	if (ttlp)
		*ttlp = 0;
	if (canonp)
		*canonp = host->h_name;
	return status;
}

EXPORT enum nss_status _nss_banger_gethostbyname2_r(const char *name, int af, struct hostent *host,
						    char *buffer, size_t buflen, int *errnop,
						    int *h_errnop)
{
	return _nss_banger_gethostbyname3_r(name, af, host, buffer, buflen, errnop, h_errnop, NULL,
					    NULL);
}

EXPORT enum nss_status _nss_banger_gethostbyname_r(const char *name, struct hostent *host,
						   char *buffer, size_t buflen, int *errnop,
						   int *h_errnop)
{
	return _nss_banger_gethostbyname3_r(name, AF_INET, host, buffer, buflen, errnop, h_errnop,
					    NULL, NULL);
}

EXPORT enum nss_status _nss_banger_gethostbyaddr2_r(const void *addr, socklen_t len, int af,
						    struct hostent *host, char *buffer,
						    size_t buflen, int *errnop, int *h_errnop,
						    int32_t *ttlp)
{
	struct lookup_address address;
	struct lookup_label label;
	enum lookup_result r;
	int saved = errno;

	if (af != AF_INET || len != sizeof(address))
		return answer(NSS_STATUS_NOTFOUND, ENOENT, HOST_NOT_FOUND, errnop, h_errnop);
	memcpy(&address, addr, sizeof(address));
	r = lookup_by_address(NAMES_PATH, 0, &address, &label);
	errno = saved;
	if (r != LOOKUP_FOUND)
		return not_found(r, errnop, h_errnop);
	if (ttlp)
		*ttlp = 0;
	return fill_host(&label, &address, host, buffer, buflen, errnop, h_errnop);
}

EXPORT enum nss_status _nss_banger_gethostbyaddr_r(const void *addr, socklen_t len, int af,
						   struct hostent *host, char *buffer,
						   size_t buflen, int *errnop, int *h_errnop)
{
	return _nss_banger_gethostbyaddr2_r(addr, len, af, host, buffer, buflen, errnop, h_errnop,
					    NULL);
}
