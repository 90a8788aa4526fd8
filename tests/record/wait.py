# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Waiting for something that has no better way to say that it happened."""
import time


def wait_for(what, test, seconds=20):
    end = time.time() + seconds
    while not test():
        if time.time() > end:
            raise RuntimeError(f"{what}: nothing after {seconds} s")
        time.sleep(0.05)
