/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "servers_priv.h"

#define LINE_BYTES 1024 /* the longest that is written has some 500 */

struct reading {
	struct mt_servers *servers;
	FILE *file;
	unsigned line;	  /* in hand */
	char reason[256]; /* why it is a bad one */
};

static bool is_bad(struct reading *reading, const char *reason)
{
	snprintf(reading->reason, sizeof(reading->reason), "%s", reason);
	return false;
}

static bool read_time(const char *text, uint64_t *ret_ns)
{
	struct tm utc = {0};
	const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);
	time_t seconds = end != NULL && *end == 0 ? timegm(&utc) : -1;

	if (seconds < 0 || (uint64_t)seconds > UINT64_MAX / MT_NS_PER_SECOND)
		return false;
	*ret_ns = (uint64_t)seconds * MT_NS_PER_SECOND;
	return true;
}

static bool read_id(const char *text, uint8_t ret[ISSUER_BYTES])
{
	if (strlen(text) != 2 * ISSUER_BYTES || strspn(text, "0123456789abcdef") != 2 * ISSUER_BYTES)
		return false;
	for (size_t i = 0; i < ISSUER_BYTES; i++)
		sscanf(text + 2 * i, "%2hhx", &ret[i]);
	return true;
}

static bool read_issuers(struct reading *reading, json_t *issuers, struct server *server)
{
	const char *id, *seen;
	size_t i;
	json_t *issuer;

	if (!json_is_array(issuers) || json_array_size(issuers) > ISSUERS_MAX)
		return is_bad(reading, "no list of at most four issuers");
	json_array_foreach(issuers, i, issuer)
	{
		if (json_unpack(issuer, "{s:s, s:s}", "id", &id, "seen", &seen) != 0 ||
		    !read_id(id, server->issuer[i].id) || !read_time(seen, &server->issuer[i].seen_ns))
			return is_bad(reading, "an issuer without id and time");
		server->issuer_count++;
	}
	return true;
}

static bool read_address(const char *text, struct key *key)
{
	key->ip_version = strchr(text, ':') != NULL ? 6 : 4;
	return inet_pton(key->ip_version == 4 ? AF_INET : AF_INET6, text, key->server_addr) == 1;
}

/* What a line says, into a server that is not remembered yet. */
static bool read_server(struct reading *reading, json_t *line, struct server *ret)
{
	const char *address, *since = NULL, *again = NULL;
	json_int_t port, vlan = 0, lists, offers;
	json_t *issuers;
	json_error_t error;
	int is_offering;

	if (json_unpack_ex(line, &error, 0, "{s:s, s:I, s?I, s:I, s:I, s:b, s?s, s?s, s:o}", "address",
			   &address, "port", &port, "vlan", &vlan, "lists", &lists, "offers", &offers,
			   "offering", &is_offering, "since", &since, "again", &again, "issuers",
			   &issuers) != 0)
		return is_bad(reading, error.text);
	if (!read_address(address, &ret->memo.key) || port < 0 || port > UINT16_MAX || vlan < 0 ||
	    vlan > 4095)
		return is_bad(reading, "no address, no port or no VLAN");
	if (offers < is_offering || offers > lists || lists > UINT32_MAX || (lists > 0) != (since != NULL))
		return is_bad(reading, "lists, offers, offering and since contradict each other");
	if ((since != NULL && !read_time(since, &ret->since_ns)) ||
	    (again != NULL && !read_time(again, &ret->again_ns)))
		return is_bad(reading, "no time");
	ret->memo.key.server_port = (uint16_t)port;
	ret->memo.key.vlan = (uint16_t)vlan;
	ret->lists = (uint32_t)lists;
	ret->offers = (uint32_t)offers;
	ret->is_offering = is_offering;
	return read_issuers(reading, issuers, ret);
}

static bool remember_line(struct reading *reading, json_t *line)
{
	struct memory *memory = &reading->servers->servers;
	struct server said = {0}, *server;
	struct memo head;

	if (!read_server(reading, line, &said))
		return false;
	if (memory_find(memory, &said.memo.key) != NULL)
		return is_bad(reading, "the server was there before");
	server = memory_add(memory, &said.memo.key);
	head = server->memo;
	*server = said;
	server->memo = head;
	return true;
}

/* Result  NULL at the end, and where the line is none: then there is a reason */
static json_t *next_line(struct reading *reading)
{
	char text[LINE_BYTES];
	json_error_t error;
	json_t *line;

	if (fgets(text, sizeof(text), reading->file) == NULL)
		return NULL;
	reading->line++;
	if (strchr(text, '\n') == NULL) {
		is_bad(reading, "cut, or too long");
		return NULL;
	}
	line = json_loads(text, JSON_REJECT_DUPLICATES, &error);
	if (line == NULL)
		is_bad(reading, error.text);
	return line;
}

/* Result  0; -EINVAL where this is somebody else's file; -EBADMSG where it is ours, but not to be read */
static int read_head(struct reading *reading, json_int_t *ret_servers)
{
	json_t *line = next_line(reading);
	const char *format;
	json_int_t version = 0;

	if (line == NULL || json_unpack(line, "{s:s}", "format", &format) != 0 ||
	    strcmp(format, FILE_FORMAT) != 0) {
		json_decref(line);
		return -EINVAL;
	}
	json_unpack(line, "{s:I}", "version", &version);
	if (version != FILE_VERSION)
		snprintf(reading->reason, sizeof(reading->reason), "version %lld, only %d is known",
			 (long long)version, FILE_VERSION);
	else if (json_unpack(line, "{s:I}", "servers", ret_servers) != 0)
		is_bad(reading, "does not say how many servers follow");
	json_decref(line);
	return reading->reason[0] == 0 ? 0 : -EBADMSG;
}

static int read_servers(struct reading *reading)
{
	json_int_t promised = 0, found = 0;
	json_t *line;
	int rc = read_head(reading, &promised);

	if (rc != 0)
		return rc;
	while ((line = next_line(reading)) != NULL) {
		found += remember_line(reading, line);
		json_decref(line);
		if (reading->reason[0] != 0)
			break;
	}
	if (ferror(reading->file))
		return -EIO;
	if (reading->reason[0] == 0 && found != promised)
		snprintf(reading->reason, sizeof(reading->reason), "%lld servers of %lld", (long long)found,
			 (long long)promised);
	return reading->reason[0] == 0 ? 0 : -EBADMSG;
}

static void forget_all(struct memory *memory)
{
	while (!TAILQ_EMPTY(&memory->order))
		memory_forget(memory, TAILQ_FIRST(&memory->order));
}

/* Result  0, with *ret NULL where there is nothing to read; or -errno */
static int open_file(const char *path, FILE **ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat status;

	*ret = NULL;
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0) {
		close(fd);
		return 0;
	}
	*ret = S_ISREG(status.st_mode) ? fdopen(fd, "r") : NULL;
	if (*ret != NULL)
		return 0;
	close(fd);
	return S_ISREG(status.st_mode) ? -ENOMEM : -EINVAL;
}

int mt_servers_load(struct mt_servers *servers, const char *path, char *error, size_t error_size)
{
	struct reading reading = {.servers = servers};
	int rc = open_file(path, &reading.file);

	forget_all(&servers->servers);
	if (rc == 0 && reading.file != NULL) {
		rc = read_servers(&reading);
		fclose(reading.file);
	}
	if (rc == 0)
		return 0;
	forget_all(&servers->servers);
	if (rc == -EINVAL)
		snprintf(error, error_size, "%s: is no server memory", path);
	else if (rc == -EBADMSG)
		snprintf(error, error_size, "%s:%u: %s", path, reading.line, reading.reason);
	else
		snprintf(error, error_size, "%s: %s", path, strerror(-rc));
	return rc;
}
