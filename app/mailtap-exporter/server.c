/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "server.h"

#include <errno.h>
#include <microhttpd.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "accept.h"
#include "page.h"

#define CONNECTIONS_MAX	  128	       /* held at a time; a scraper needs one for some milliseconds */
#define CONNECTIONS_CLOSE 32	       /* on top of them: those told to go, not gone yet */
#define LIFE_NS		  10000000000u /* of a connection, whatever it does; Prometheus gives a scrape as much */
#define MEMORY_BYTES	  32768 /* of a connection: its request's head has to fit, cookies of other pages too */

/** A client, from its acceptance to its end. */
struct client {
	struct MHD_Connection *connection;
	int fd;
	uint64_t since_ns; /* CLOCK_MONOTONIC */
	bool is_cut;	   /* it was told to go */
};

struct mt_server {
	struct MHD_Daemon *daemon;
	struct mt_instances *instances;
	int epoll;
	size_t client_count;
	struct client client[CONNECTIONS_MAX + CONNECTIONS_CLOSE]; /* the oldest first */
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * MT_NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* ---- Clients come and go ---- */

/* libmicrohttpd finds the connection at its end and lets go of it. Everything here is one thread's: the
 * descriptor is still this client's. */
static void cut(struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
	client->is_cut = true;
}

static void cut_oldest(struct mt_server *server)
{
	size_t i = 0;

	while (i < server->client_count && server->client[i].is_cut)
		i++;
	if (server->client_count - i >= CONNECTIONS_MAX)
		cut(&server->client[i]);
}

static void forget(struct mt_server *server, const struct MHD_Connection *connection)
{
	for (size_t i = 0; i < server->client_count; i++)
		if (server->client[i].connection == connection) {
			memmove(&server->client[i], &server->client[i + 1],
				(--server->client_count - i) * sizeof(server->client[0]));
			return;
		}
}

static void notice(void *context, struct MHD_Connection *connection, void **unused,
		   enum MHD_ConnectionNotificationCode what)
{
	struct mt_server *server = context;

	(void)unused;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		forget(server, connection);
		return;
	}
	cut_oldest(server);
	/* No more than fit are accepted (MHD_OPTION_CONNECTION_LIMIT); the array does not rely on it. */
	if (server->client_count == MT_ARRAY_LEN(server->client))
		return;
	server->client[server->client_count++] = (struct client){
	    .connection = connection,
	    .fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
	    .since_ns = now_ns(),
	};
}

/* Result  milliseconds until the next is overdue, -1 for never */
static int cut_overdue(struct mt_server *server)
{
	uint64_t now = now_ns();

	for (size_t i = 0; i < server->client_count; i++) {
		struct client *client = &server->client[i];

		if (client->is_cut)
			continue;
		if (now - client->since_ns < LIFE_NS)
			return (int)((client->since_ns + LIFE_NS - now) / MT_NS_PER_MS + 1);
		cut(client);
	}
	return -1;
}

/* ---- Answers ---- */

/** What a path answers, beside the text that was written. */
struct answer {
	unsigned status;
	const char *type;   /* of the text */
	const char *policy; /* what a browser may do with it */
};

static const struct answer plain = {MHD_HTTP_OK, "text/plain; charset=utf-8", "default-src 'none'"};

static int answer_page(struct mt_server *server, struct MHD_Connection *connection, FILE *out,
		       struct answer *ret)
{
	(void)server;
	(void)connection;
	ret->type = "text/html; charset=utf-8";
	ret->policy = mt_page_policy;
	fwrite(mt_page, 1, mt_page_bytes, out);
	return 0;
}

static int answer_metrics(struct mt_server *server, struct MHD_Connection *connection, FILE *out,
			  struct answer *ret)
{
	enum mt_exposition_format format = mt_accept_format(
	    MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));

	ret->type = mt_accept_content_type(format);
	mt_instances_write_metrics(server->instances, out, format);
	return 0;
}

static int answer_json(struct mt_server *server, struct MHD_Connection *connection, FILE *out,
		       struct answer *ret)
{
	(void)connection;
	ret->type = "application/json";
	return mt_instances_write_json(server->instances, out);
}

static int answer_health(struct mt_server *server, struct MHD_Connection *connection, FILE *out,
			 struct answer *ret)
{
	(void)connection;
	if (!mt_instances_write_health(server->instances, out))
		ret->status = MHD_HTTP_SERVICE_UNAVAILABLE;
	return 0;
}

static const struct {
	const char *path;
	int (*answer)(struct mt_server *server, struct MHD_Connection *connection, FILE *out,
		      struct answer *ret);
} paths[] = {
    {"/", answer_page},
    {"/metrics", answer_metrics},
    {"/metrics.json", answer_json},
    {"/healthz", answer_health},
};

static enum MHD_Result respond(struct MHD_Connection *connection, const struct answer *answer,
			       const char *text, size_t len, enum MHD_ResponseMemoryMode mode)
{
	const char *const headers[][2] = {
	    {MHD_HTTP_HEADER_CONTENT_TYPE, answer->type},
	    {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
	    {MHD_HTTP_HEADER_CONNECTION, "close"},
	    {MHD_HTTP_HEADER_ALLOW, "GET, HEAD"},
	    {MHD_HTTP_HEADER_VARY, "Accept"},
	    {"Content-Security-Policy", answer->policy},
	    {"Cross-Origin-Resource-Policy", "same-origin"},
	    {"Referrer-Policy", "no-referrer"},
	    {"X-Content-Type-Options", "nosniff"},
	};
	struct MHD_Response *response = MHD_create_response_from_buffer(len, (void *)(uintptr_t)text, mode);
	enum MHD_Result result;

	if (response == NULL) {
		if (mode == MHD_RESPMEM_MUST_FREE)
			free((void *)(uintptr_t)text);
		return MHD_NO;
	}
	for (size_t i = 0; i < MT_ARRAY_LEN(headers); i++)
		MHD_add_response_header(response, headers[i][0], headers[i][1]);
	result = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return result;
}

/* Without memory the connection is closed: MHD_NO. */
static enum MHD_Result answer_path(struct mt_server *server, struct MHD_Connection *connection, size_t path)
{
	struct answer answer = plain;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int result;

	if (out == NULL)
		return MHD_NO;
	mt_instances_read(server->instances);
	result = paths[path].answer(server, connection, out, &answer);
	if (fclose(out) == 0 && result == 0)
		return respond(connection, &answer, text, len, MHD_RESPMEM_MUST_FREE);
	free(text);
	return MHD_NO;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *sentence)
{
	struct answer answer = plain;

	answer.status = status;
	return respond(connection, &answer, sentence, strlen(sentence), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *url,
			     const char *method, const char *version, const char *body, size_t *body_len,
			     void **seen)
{
	(void)version;
	(void)body;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "Only GET and HEAD: there is nothing to change here.\n");
	/* The first call brings the head, further ones a body that nobody wants, the last one none. */
	if (*seen == NULL || *body_len > 0) {
		*seen = context;
		*body_len = 0;
		return MHD_YES;
	}
	for (size_t i = 0; i < MT_ARRAY_LEN(paths); i++)
		if (strcmp(url, paths[i].path) == 0)
			return answer_path(context, connection, i);
	return refuse(connection, MHD_HTTP_NOT_FOUND,
		      "Not here. There are /, /metrics, /metrics.json and /healthz.\n");
}

/* ---- The server ---- */

int mt_server_create(struct mt_server **ret, struct mt_instances *instances, int listening)
{
	struct mt_server *server = calloc(1, sizeof(*server));

	if (server == NULL) {
		close(listening);
		return -ENOMEM;
	}
	server->instances = instances;
	server->daemon = MHD_start_daemon(
	    MHD_USE_EPOLL, 0, NULL, NULL, serve, server, MHD_OPTION_LISTEN_SOCKET, listening,
	    MHD_OPTION_CONNECTION_LIMIT, (unsigned)MT_ARRAY_LEN(server->client),
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1,
	    MHD_OPTION_NOTIFY_CONNECTION, notice, server, MHD_OPTION_END);
	if (server->daemon == NULL) {
		int result = errno != 0 ? -errno : -ENOMEM;

		close(listening);
		free(server);
		return result;
	}
	server->epoll = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	*ret = server;
	return 0;
}

void mt_server_destroy(struct mt_server *server)
{
	if (server == NULL)
		return;
	MHD_stop_daemon(server->daemon);
	free(server);
}

int mt_server_run(struct mt_server *server, int until)
{
	struct pollfd ready[] = {{.fd = server->epoll, .events = POLLIN}, {.fd = until, .events = POLLIN}};

	for (;;) {
		MHD_UNSIGNED_LONG_LONG soon;
		int wait_ms = cut_overdue(server);

		if (MHD_get_timeout(server->daemon, &soon) == MHD_YES &&
		    (wait_ms < 0 || soon < (unsigned long long)wait_ms))
			wait_ms = (int)soon;
		if (poll(ready, MT_ARRAY_LEN(ready), wait_ms) < 0 && errno != EINTR)
			return -errno;
		if (ready[1].revents != 0)
			return 0;
		MHD_run(server->daemon);
	}
}
