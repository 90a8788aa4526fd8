/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * An interface of the kernel's that a port reads through packet sockets (net_af_packet), and what that driver
 * does not do: count what the kernel dropped, see packets for others without leaving the interface changed,
 * and tell that frames may be longer than what it takes. Called by ports.c and the control thread.
 */
#ifndef MT_KERNEL_H
#define MT_KERNEL_H

#include "base.h"

struct mt_kernel;

/**
 * Watch an interface. Packets for others are seen until _close(), or until the process ends in any way: the
 * kernel counts who asked for them, and the interface's own flags are not touched. Result  0 or -errno Owner
 * main, before the port is started
 */
int mt_kernel_open(struct mt_kernel **ret, unsigned interface);
void mt_kernel_close(struct mt_kernel *kernel); /* NULL is legal; offloads are put back */

/** The port has been started: find its sockets, and mend the flag that the driver has cleared. */
void mt_kernel_started(struct mt_kernel *kernel);

/** Packets that found no room in the port's rings since the start. Owner: the control thread. Some system
 * calls. */
uint64_t mt_kernel_drops(struct mt_kernel *kernel);

/** The receive offloads that are on and join packets to frames longer than a wire has: words, or "" for none.
 */
const char *mt_kernel_offloads(const struct mt_kernel *kernel);
/** Switch them off until _close(). Result 0 or -errno */
int mt_kernel_switch_offloads_off(struct mt_kernel *kernel);

#endif
