/* SPDX-License-Identifier: MIT */
/*
 * builtin.h - the parts of the agent that run like a command of the image (frame.h: EXEC with
 * `builtin`): processes of their own, with standard streams to the client, as the user that the client
 * named.  Exit status 0 for success; a failure is one line on standard error and status 1.
 */
#ifndef BANGER_AGENT_BUILTIN_H
#define BANGER_AGENT_BUILTIN_H

#include <stdbool.h>

/*
 * builtin_run() - run the part named @argv[0] with its arguments.
 * Return: its exit status; 127 when this agent has no such part.
 */
int builtin_run(int argc, char **argv);

/* connect PORT - standard input to, and standard output from, a TCP port of this machine. */
int builtin_connect(int argc, char **argv);
/* connect_probe() - does something listen on @port of this machine? */
bool connect_probe(unsigned int port);

/* ssh [KEY | --ask] - a connection to the ssh server: guest/ssh_server.h. */
int builtin_ssh(int argc, char **argv);

/* grow BYTES - wait until the work disk is that large and grow its file system into it. */
int builtin_grow(int argc, char **argv);

/* hosts - the names of other machines, "ADDRESS NAME" in each line of standard input. */
int builtin_hosts(int argc, char **argv);

/* ports, stats - print struct guest_ports and struct guest_stats (guest/report.h) as JSON. */
int builtin_ports(int argc, char **argv);
int builtin_stats(int argc, char **argv);

/* put DIR - unpack a tar stream below a directory, which is made when absent. */
int builtin_put(int argc, char **argv);
/* get PATH [AS] - a file or tree as a tar stream, under the name AS; "PATH/." = what is in it. */
int builtin_get(int argc, char **argv);
/* get-list DIR - the files below a directory that standard input names, each ended by a NUL. */
int builtin_get_list(int argc, char **argv);
/* kind PATH - "file", "directory", "other" or "absent"; links are followed. */
int builtin_kind(int argc, char **argv);
/* compare DIR all|listed - guest/tree_compare.h; the answer "A " alone: there is no such directory. */
int builtin_compare(int argc, char **argv);

#endif
