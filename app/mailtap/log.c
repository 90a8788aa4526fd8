/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 the mailtap authors */
#include "log.h"

RTE_LOG_REGISTER(mt_log_ports, mailtap.ports, NOTICE);
RTE_LOG_REGISTER(mt_log_workers, mailtap.workers, NOTICE);
RTE_LOG_REGISTER(mt_log_control, mailtap.control, NOTICE);
