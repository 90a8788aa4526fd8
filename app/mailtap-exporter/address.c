/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "address.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024 /* connections that wait while one scrape is written */

/* Cut "[HOST]:PORT" or "HOST:PORT" in two. Result  false where it has no such form */
static bool cut(const char *text, char host[NI_MAXHOST], const char **ret_port)
{
	bool has_brackets = text[0] == '[';
	const char *end = has_brackets ? strstr(text, "]:") : strchr(text, ':');

	text += has_brackets;
	if (end == NULL || end == text || end - text >= NI_MAXHOST)
		return false;
	memcpy(host, text, (size_t)(end - text));
	host[end - text] = 0;
	*ret_port = end + 1 + has_brackets;
	return has_brackets == (strchr(host, ':') != NULL) && (*ret_port)[0] != 0 &&
	       (*ret_port)[strspn(*ret_port, "0123456789")] == 0 && strlen(*ret_port) <= 5 &&
	       strtoul(*ret_port, NULL, 10) <= UINT16_MAX;
}

static int open_socket(const struct addrinfo *address)
{
	const int yes = 1, no = 0;
	int result, fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* A restart must not wait for the connections of before; [::] is to mean IPv4 too. */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (address->ai_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
		return fd;
	result = -errno;
	close(fd);
	return result;
}

static void describe(int fd, char ret[MT_ADDRESS_SIZE])
{
	struct sockaddr_storage bound;
	socklen_t len = sizeof(bound);
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	if (getsockname(fd, (struct sockaddr *)&bound, &len) == 0)
		getnameinfo((struct sockaddr *)&bound, len, host, sizeof(host), port, sizeof(port),
			    NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(ret, MT_ADDRESS_SIZE, bound.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

int mt_address_listen(const char *text, char ret_text[MT_ADDRESS_SIZE], char *error, size_t error_size)
{
	const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
				       .ai_socktype = SOCK_STREAM};
	struct addrinfo *address;
	char host[NI_MAXHOST];
	const char *port;
	int fd;

	if (!cut(text, host, &port) || getaddrinfo(host, port, &hints, &address) != 0) {
		snprintf(error, error_size,
			 "'%s' is no numeric address with a port: 127.0.0.1:9925 or [::1]:9925", text);
		return -EINVAL;
	}
	fd = open_socket(address);
	freeaddrinfo(address);
	if (fd < 0)
		snprintf(error, error_size, "%s: %s", text, strerror(-fd));
	else
		describe(fd, ret_text);
	return fd;
}
