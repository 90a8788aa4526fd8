/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
/**
 * DPDK's telemetry socket, for those who have dpdk-telemetry.py at hand: the commands /mailtap/counters,
 * /mailtap/flows, /mailtap/ports and /mailtap/reload. They are answered by a thread of EAL's, which reads the
 * published counters as any other program does and touches nothing of the workers. Called by main, once the
 * counters are published.
 */
#ifndef MT_TELEMETRY_H
#define MT_TELEMETRY_H

#include "ports.h"

/**
 * Answer from here on; where EAL runs without telemetry nobody asks.
 * counters  the name under which they are published, or "none"; kept, as ports are, until EAL is given up
 */
void mt_telemetry_begin(const char *counters, const struct mt_ports *ports);

#endif
