/* SPDX-License-Identifier: MIT */
/* unix_socket.h - stream sockets in the file system. */
#ifndef BANGER_BASE_UNIX_SOCKET_H
#define BANGER_BASE_UNIX_SOCKET_H

/* unix_connect() - a connected, non-blocking, close-on-exec descriptor, owned; -1 with errno set
 * (ENAMETOOLONG for a path of more than 107 bytes). */
int unix_connect(const char *path);

#endif
