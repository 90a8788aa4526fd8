/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * Serve what the instances show over HTTP. One thread, one request a connection, ten seconds a connection;
 * where there are too many the oldest makes room, so that nobody who holds connections open keeps a scraper
 * away. libmicrohttpd speaks the protocol.
 */
#ifndef MT_EXPORTER_SERVER_H
#define MT_EXPORTER_SERVER_H

#include "instances.h"

struct mt_server;

/**
 * Begin to serve.
 * instances  borrowed as long as the server lives; read anew for every request
 * listening  transferred: a socket that does not block
 * Result     0, or -errno; the socket is closed then
 */
int mt_server_create(struct mt_server **ret, struct mt_instances *instances, int listening);
void mt_server_destroy(struct mt_server *server); /* NULL is legal */

/** Serve until a descriptor (a signalfd) can be read. Result  0, or -errno where waiting failed */
int mt_server_run(struct mt_server *server, int until);

#endif
