/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "servers_priv.h"

#define TIME_SIZE sizeof("2023-11-14T22:13:20Z")

struct mt_servers_copy {
	size_t count;
	struct server servers[]; /* oldest first; their links lead nowhere */
};

struct mt_servers_copy *mt_servers_copy_create(const struct mt_servers *servers)
{
	size_t count = mt_servers_count(servers);
	struct mt_servers_copy *copy = malloc(sizeof(*copy) + count * sizeof(copy->servers[0]));
	const struct memo *memo;

	if (copy == NULL)
		return NULL;
	copy->count = 0;
	TAILQ_FOREACH(memo, &servers->servers.order, link)
	copy->servers[copy->count++] = *(const struct server *)memo;
	return copy;
}

void mt_servers_copy_destroy(struct mt_servers_copy *copy)
{
	free(copy);
}

static const char *time_text(uint64_t ns, char text[TIME_SIZE])
{
	time_t seconds = (time_t)(ns / MT_NS_PER_SECOND);
	struct tm utc;

	strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	return text;
}

static const char *id_text(const uint8_t id[ISSUER_BYTES], char text[2 * ISSUER_BYTES + 1])
{
	for (size_t i = 0; i < ISSUER_BYTES; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	return text;
}

/* Result  NULL without memory, as of the next one */
static json_t *issuers_of(const struct server *server)
{
	char id[2 * ISSUER_BYTES + 1], seen[TIME_SIZE];
	json_t *array = json_array();
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < server->issuer_count; i++)
		rc = json_array_append_new(array,
					   json_pack("{s:s, s:s}", "id", id_text(server->issuer[i].id, id),
						     "seen", time_text(server->issuer[i].seen_ns, seen)));
	if (rc == 0)
		return array;
	json_decref(array);
	return NULL;
}

static json_t *line_of(const struct server *server)
{
	const struct key *key = &server->memo.key;
	char address[INET6_ADDRSTRLEN], time[TIME_SIZE];
	json_t *line;
	int rc;

	inet_ntop(key->ip_version == 4 ? AF_INET : AF_INET6, key->server_addr, address, sizeof(address));
	line = json_pack("{s:s, s:i, s:I, s:I, s:b}", "address", address, "port", key->server_port, "lists",
			 (json_int_t)server->lists, "offers", (json_int_t)server->offers, "offering",
			 server->is_offering);
	rc = json_object_set_new(line, "issuers", issuers_of(server));
	if (key->vlan != 0)
		rc |= json_object_set_new(line, "vlan", json_integer(key->vlan));
	if (server->lists > 0)
		rc |= json_object_set_new(line, "since", json_string(time_text(server->since_ns, time)));
	if (server->again_ns != 0)
		rc |= json_object_set_new(line, "again", json_string(time_text(server->again_ns, time)));
	if (rc == 0)
		return line;
	json_decref(line);
	return NULL;
}

/* Takes the line. */
static int write_line(FILE *file, json_t *line)
{
	int rc = line == NULL || json_dumpf(line, file, JSON_COMPACT) != 0 || fputc('\n', file) == EOF;

	json_decref(line);
	return rc;
}

static int write_servers(FILE *file, const struct mt_servers_copy *copy)
{
	int rc;

	errno = ENOMEM; /* what fails without a word fails for that */
	rc = write_line(file, json_pack("{s:s, s:i, s:I}", "format", FILE_FORMAT, "version", FILE_VERSION,
					"servers", (json_int_t)copy->count));
	for (size_t i = 0; rc == 0 && i < copy->count; i++)
		rc = write_line(file, line_of(&copy->servers[i]));
	return rc == 0 && fflush(file) == 0 && fsync(fileno(file)) == 0 ? 0 : -errno;
}

/* The new name is on the disk as well. */
static void sync_folder(const char *path)
{
	char copy[PATH_MAX];
	int fd;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return;
	fsync(fd);
	close(fd);
}

/* Result  0 or -errno; the file at temporary is whole, or gone. */
static int write_temporary(const struct mt_servers_copy *copy, char *temporary)
{
	int fd = mkostemp(temporary, O_CLOEXEC), rc;
	FILE *file;

	if (fd < 0)
		return -errno;
	file = fdopen(fd, "w");
	if (file == NULL)
		close(fd);
	rc = file == NULL || fchmod(fd, 0640) != 0 ? -errno : write_servers(file, copy);
	if (file != NULL && fclose(file) != 0 && rc == 0)
		rc = -errno;
	if (rc != 0)
		unlink(temporary);
	return rc;
}

int mt_servers_copy_write(const struct mt_servers_copy *copy, const char *path, char *error,
			  size_t error_size)
{
	char temporary[PATH_MAX];
	int rc = snprintf(temporary, sizeof(temporary), "%s.XXXXXX", path) < (int)sizeof(temporary)
		     ? write_temporary(copy, temporary)
		     : -ENAMETOOLONG;

	if (rc == 0 && rename(temporary, path) != 0) {
		rc = -errno;
		unlink(temporary);
	}
	if (rc == 0)
		sync_folder(path);
	else
		snprintf(error, error_size, "%s: the server memory cannot be written: %s", path,
			 strerror(-rc));
	return rc;
}
