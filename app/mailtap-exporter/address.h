/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * The address that the exporter listens on.
 */
#ifndef MT_EXPORTER_ADDRESS_H
#define MT_EXPORTER_ADDRESS_H

#include <netdb.h>
#include <stddef.h>

#define MT_ADDRESS_SIZE (NI_MAXHOST + NI_MAXSERV + 4)

/**
 * Listen.
 * text      127.0.0.1:9925, [::1]:9925, 0.0.0.0:9925, [::]:9925 (IPv4 too). Numbers only: a name may lead
 *           elsewhere tomorrow. Port 0 is any that is free.
 * ret_text  on success what was bound, in the same form
 * error     on failure a sentence that names the address
 * Result    a socket that does not block, to be closed by the caller; or -errno
 */
int mt_address_listen(const char *text, char ret_text[MT_ADDRESS_SIZE], char *error, size_t error_size);

#endif
