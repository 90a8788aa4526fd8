#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""What tshark shows of the TLS handshakes in a capture, in the words of the record's tls object.

    tls_oracle.py CAPTURE [PORT=DISSECTOR...]     prints one JSON object for each connection with a TLS hello

The fields are tshark's. JA4, which tshark 4.0 does not know, is calculated here from the fields it shows, after the
published description (FoxIO, technical_details/JA4.md). The certificate that tshark exports is read by `openssl x509`.
Nothing here comes from mailtap, and no code is shared with it.
"""
import hashlib
import json
import re
import subprocess
import sys
import tempfile

SEPARATOR = "\x1f"
HANDSHAKE = "tls.handshake."
FIELDS = [
    "tcp.stream", "ip.src", "ip.dst", "ipv6.src", "ipv6.dst", "tcp.srcport", "tcp.dstport", HANDSHAKE + "type",
    HANDSHAKE + "version", HANDSHAKE + "ciphersuite", HANDSHAKE + "extension.type", HANDSHAKE + "sig_hash_alg",
    HANDSHAKE + "extensions.supported_version", HANDSHAKE + "extensions_server_name",
    HANDSHAKE + "extensions_alpn_str", HANDSHAKE + "ja3", HANDSHAKE + "ja3s", HANDSHAKE + "random",
    HANDSHAKE + "certificate", "tls.resumed", "tls.alert_message.level",
    "tls.alert_message.desc"]
VERSIONS = {0x0300: ("SSL 3.0", "s3"), 0x0301: ("TLS 1.0", "10"), 0x0302: ("TLS 1.1", "11"), 0x0303: ("TLS 1.2", "12"),
            0x0304: ("TLS 1.3", "13")}
RETRY_RANDOM = hashlib.sha256(b"HelloRetryRequest").hexdigest()  # RFC 8446 4.1.3
NAME_FORM = "sep_comma_plus_space,sname,esc_2253,esc_ctrl,utf8,dump_unknown,dump_der"


def value_names(field):
    """Wireshark's own table of the names of a field's values."""
    rows = subprocess.run(["tshark", "-G", "values"], capture_output=True, check=True).stdout.decode().splitlines()
    rows = [row.split("\t") for row in rows if row.startswith("V\t" + field + "\t")]
    return {int(row[2], 0): row[3] for row in rows}


def is_grease(value):
    """RFC 8701 2."""
    return value & 0x0f0f == 0x0a0a and value >> 8 == value & 0xff


def read_packets(path, decode_as):
    command = ["tshark", "-n", "-2", "-r", path, "-o", "tcp.reassemble_out_of_order:TRUE", "-Y", "tls && tcp.stream",
               "-T", "fields", "-E", "separator=/t", "-E", "aggregator=" + SEPARATOR]
    for field in FIELDS:
        command += ["-e", field]
    for port, dissector in decode_as.items():
        command += ["-d", f"tcp.port=={port},{dissector}"]
    done = subprocess.run(command, capture_output=True, check=False)
    for line in done.stdout.decode("utf-8", "replace").splitlines():
        yield {name: value.split(SEPARATOR) if value else [] for name, value in zip(FIELDS, line.split("\t"))}


def numbers(packet, field):
    return [int(value, 0) for value in packet[field]]


def ends_of(packet):
    family = "ipv6" if packet["ipv6.src"] else "ip"
    return ((packet[family + ".src"][-1], int(packet["tcp.srcport"][-1])),
            (packet[family + ".dst"][-1], int(packet["tcp.dstport"][-1])))


def version_of(packet, of_hello):
    """The highest that supported_versions names, else that of the hello itself. Drafts have numbers outside the row."""
    named = [value for value in numbers(packet, HANDSHAKE + "extensions.supported_version") if not is_grease(value)]
    known = [value for value in named if value in VERSIONS]
    return max(known or named or of_hello)


def ja4_of(packet):
    """One ClientHello's JA4 over TCP."""
    ciphers = [value for value in numbers(packet, HANDSHAKE + "ciphersuite") if not is_grease(value)]
    extensions = [value for value in numbers(packet, HANDSHAKE + "extension.type") if not is_grease(value)]
    signatures = [value for value in numbers(packet, HANDSHAKE + "sig_hash_alg") if not is_grease(value)]
    names = [name for name in packet[HANDSHAKE + "extensions_alpn_str"]
             if not (len(name) == 2 and name[0] == name[1] and ord(name[0]) & 0xf == 0xa)]
    alpn = (names[0][0] + names[0][-1]) if names else "00"
    if not re.fullmatch(r"[0-9A-Za-z]{2}", alpn):
        data = names[0].encode("utf-8", "surrogateescape").hex()
        alpn = data[0] + data[-1]
    version = VERSIONS.get(version_of(packet, numbers(packet, HANDSHAKE + "version")), ("", "00"))[1]
    head = (f"t{version}{'d' if 0 in extensions else 'i'}{min(len(ciphers), 99):02}{min(len(extensions), 99):02}{alpn}")
    first = ",".join(sorted(f"{value:04x}" for value in ciphers))
    second = ",".join(sorted(f"{value:04x}" for value in extensions if value not in (0, 16)))
    if second and signatures:
        second += "_" + ",".join(f"{value:04x}" for value in signatures)
    return "_".join([head, *(hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12
                             for text in (first, second))])


def of_client_hello(packet):
    found = {"ja3": packet[HANDSHAKE + "ja3"][0], "ja4": ja4_of(packet)}
    if packet[HANDSHAKE + "extensions_server_name"]:
        found["sni"] = packet[HANDSHAKE + "extensions_server_name"][0]
    if packet[HANDSHAKE + "extensions_alpn_str"]:
        found["client_alpns"] = packet[HANDSHAKE + "extensions_alpn_str"]
    return found


def of_server_hello(packet):
    version = version_of(packet, numbers(packet, HANDSHAKE + "version")[:1])
    found = {"ja3s": packet[HANDSHAKE + "ja3s"][-1], "cipher_code": numbers(packet, HANDSHAKE + "ciphersuite")[0],
             "version_code": version}
    if version in VERSIONS:
        found["version"] = VERSIONS[version][0]
    if packet[HANDSHAKE + "extensions_alpn_str"]:
        found["server_alpns"] = packet[HANDSHAKE + "extensions_alpn_str"]
    if packet["tls.resumed"] or (version > 0x0303 and 41 in numbers(packet, HANDSHAKE + "extension.type")):
        found["session_resumed"] = True
    return found


def x509(der, *options):
    return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-nameopt", NAME_FORM, "-dateopt", "iso_8601",
                           *options], input=der, capture_output=True, check=True).stdout.decode().strip()


def is_self_signed(der):
    """Its two names are one, and openssl accepts its signature as its own."""
    subject, issuer = (x509(der, option).partition("=")[2] for option in ("-subject", "-issuer"))
    if subject != issuer:
        return False
    pem = subprocess.run(["openssl", "x509", "-inform", "DER"], input=der, capture_output=True, check=True).stdout
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem)
        file.flush()
        done = subprocess.run(["openssl", "verify", "-check_ss_sig", "-no_check_time", "-CAfile", file.name, file.name],
                              capture_output=True, check=False)
    return done.returncode == 0


def of_certificate(der, sni):
    times = [text.partition("=")[2].replace(" ", "T").rstrip("Z") for text in x509(der, "-dates").splitlines()]
    subject, issuer = (x509(der, option).partition("=")[2] for option in ("-subject", "-issuer"))
    found = {"subject": subject, "issuerdn": issuer, "notbefore": times[0], "notafter": times[1],
             "self_signed": is_self_signed(der), "certificate": "seen",
             "fingerprint": x509(der, "-fingerprint", "-sha256").partition("=")[2].lower()}
    if sni is not None:
        found["name_mismatch"] = "does match" not in x509(der, "-checkhost", sni)
    return found


def of_stream(packets):
    """One connection; None where no hello was dissected."""
    found, alerts, ders = {}, {}, []
    for packet in packets:
        types = packet[HANDSHAKE + "type"]
        source, target = ends_of(packet)
        if "1" in types and "client" not in found:
            found.update(of_client_hello(packet), client=source, server=target)
        if "2" in types and packet[HANDSHAKE + "random"][-1].replace(":", "") != RETRY_RANDOM and "ja3s" not in found:
            found.update(of_server_hello(packet), client=target, server=source)
        if "client" in found and source == found["server"] and packet[HANDSHAKE + "certificate"]:
            ders += [bytes.fromhex(text.replace(":", "")) for text in packet[HANDSHAKE + "certificate"]]
        for level, number in zip(numbers(packet, "tls.alert_message.level"), numbers(packet, "tls.alert_message.desc")):
            if level == 2 and "client" in found:
                alerts.setdefault("client" if source == found["client"] else "server", number)
    if not found:
        return None
    found["alerts"] = [{"sender": sender, "code": alerts[sender]} for sender in ("client", "server") if sender in alerts]
    version = found.pop("version_code", 0)
    if ders:
        found.update(of_certificate(ders[0], found.get("sni")))
    else:
        is_hidden = version > 0x0303 and "session_resumed" not in found
        found["certificate"] = "opaque" if is_hidden else "none"
    return found


def examine(path, decode_as=None):
    """What tshark shows, by (client, server), each (address, port); connections of the same ends in their order."""
    streams, found = {}, {}
    for packet in read_packets(path, decode_as or {}):
        streams.setdefault(packet["tcp.stream"][-1], []).append(packet)
    for packets in streams.values():
        answer = of_stream(packets)
        if answer:
            found.setdefault((answer.pop("client"), answer.pop("server")), []).append(answer)
    return found


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        sys.exit(__doc__)
    for ends, answers in examine(arguments[0], dict(word.split("=") for word in arguments[1:])).items():
        for answer in answers:
            print(json.dumps({"ends": ends, **answer}))


if __name__ == "__main__":
    main(sys.argv[1:])
