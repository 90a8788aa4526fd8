# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What a scenario says about a session. The recorder adds the client's port, the greeting and the source."""
import re

GREETING = re.compile(r"^(?:\* (?:OK|PREAUTH|BYE)|\+OK|[245]\d\d[ -]) ?", re.M)


def banner_of(line):
    """What a record keeps of the server's first line."""
    if line.startswith("* PREAUTH"):
        line = line.partition("]")[0] + "]"  # the text behind the code names a user
    return GREETING.sub("", line, count=1)[:256]


def starttls(offered, requested, response, outcome):
    return {"offered": offered, "requested": requested, "response": response, "outcome": outcome}


# offered is None where the client never asked for the list, so that no observer could know it.
UNUSED = starttls(True, False, None, "offered_unused")
NOT_OFFERED = starttls(False, False, None, "not_offered")
UNASKED = starttls(None, False, None, "unknown")
DONE = starttls(True, True, "accepted", "established")
DONE_UNASKED = starttls(None, True, "accepted", "established")
FAILED = starttls(True, True, "accepted", "failed")
FAILED_UNASKED = starttls(None, True, "accepted", "failed")
REFUSED = starttls(True, True, "refused", "refused")
REFUSED_UNOFFERED = starttls(False, True, "refused", "refused")
REFUSED_UNASKED = starttls(None, True, "refused", "refused")
MASKED = starttls(False, False, None, "stripped")  # something is written over where it should stand
MASKED_COMMAND = starttls(True, False, None, "stripped")
WITHHELD = starttls(False, False, None, "stripped")  # no trace, but the server offered it before
CLEAR_AFTER_ACCEPT = starttls(True, True, "accepted", "cleartext_after_accept")


# What follows from the STARTTLS exchange alone; the record may know more.
ANOMALIES = [
    (REFUSED, "refused_though_offered"),
    (REFUSED_UNOFFERED, "requested_not_offered"),
    (FAILED, "tls_failed"),
    (FAILED_UNASKED, "tls_failed"),
    (MASKED, "starttls_masked"),
    (MASKED_COMMAND, "starttls_masked"),
    (WITHHELD, "starttls_withheld"),
    (CLEAR_AFTER_ACCEPT, "cleartext_after_accept"),
]


def session(app_proto, port, security, starttls_seen, ip=4, auth=(), messages=0, tls_version=None, sni=None,
            anomalies=(), policy=None, software=None):
    anomalies = [name for seen, name in ANOMALIES if seen is starttls_seen] + list(anomalies)
    truth = {"src_port": None, "dest_port": port, "ip": ip, "app_proto": app_proto, "security": security,
             "starttls": starttls_seen, "banner": None,
             "auth": [{"mechanism": mechanism, "outcome": outcome} for mechanism, outcome in auth],
             "messages": messages, "tls_version": tls_version, "sni": sni}
    optional = {"anomalies": anomalies, "policy": policy, "software": software}
    return {**truth, **{key: value for key, value in optional.items() if value}}


def clear(app_proto, port, starttls_seen, **more):
    return session(app_proto, port, "cleartext", starttls_seen, **more)


def upgraded(app_proto, port, version, starttls_seen=DONE, **more):
    return session(app_proto, port, "starttls", starttls_seen, tls_version=f"TLS {version}", **more)


def implicit(app_proto, port, version, **more):
    return session(app_proto, port, "implicit_tls", None, tls_version=f"TLS {version}", **more)


def broken_off(app_proto, port, starttls_seen=FAILED, version=None, **more):
    """Accepted, but the handshake never finished; the version is known where a ServerHello was sent."""
    return session(app_proto, port, "unknown", starttls_seen, tls_version=version and f"TLS {version}", **more)
