#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""The page of mailtap-exporter in a real browser, beside a live capture and a replay that has ended.

What it shows of the replay is what the report says, table by table. It lives while the capture lives and says so when
it does not, or when the exporter does not answer. It needs nothing from elsewhere and a browser lets it have nothing;
it fits a phone, goes by keyboard, and can be read: names, headings and contrast (WCAG 2.1, 1.4.3).
"""
import collections
import itertools
import os
import shutil
import signal

import common
import monitoring
import stat_test
from monitoring import until

try:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys
except ImportError:
    common.skip("skipped: python3-selenium is not installed")

CHROMIUM, DRIVER = "chromium", "chromedriver"
QUIET = ["--headless=new", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]
WIDTHS = (320, 360, 768, 1280)
PROTOCOLS = ("smtp", "imap", "pop3")
# The page's word of a row, and the report's.
SECURITY = {"implicit TLS": "implicit_tls", "STARTTLS": "starttls", "in clear": "cleartext", "unknown": "unknown"}
OUTCOME = {"established": "established", "offered, not used": "offered_unused", "not offered": "not_offered",
           "refused": "refused", "failed": "failed", "stripped": "stripped",
           "clear after acceptance": "cleartext_after_accept", "unknown": "unknown"}

# {id of a card: {heading of a row: [its other cells]}}
TABLES = """
return Object.fromEntries([...document.querySelectorAll('section > div')].map(card => [card.id,
    Object.fromEntries([...card.querySelectorAll('tbody tr')].map(row =>
        [row.cells[0].firstChild.nodeType === 3 ? row.cells[0].firstChild.data : row.cells[0].textContent,
         [...row.cells].slice(1).map(cell => cell.textContent)]))]));
"""
# Every text whose contrast against what is behind it is below 4.5 to 1.
PALE = """
const light = text => {
    const [r, g, b] = text.match(/[\\d.]+/g).map(Number).map(one => one / 255)
        .map(one => one <= .03928 ? one / 12.92 : ((one + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
};
const behind = element => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour !== 'rgba(0, 0, 0, 0)' ? colour
        : element.parentElement ? behind(element.parentElement) : 'rgb(255, 255, 255)';
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), pale = [];
while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || ['SCRIPT', 'NOSCRIPT', 'STYLE'].includes(element.tagName)) continue;
    const [one, other] = [getComputedStyle(element).color, behind(element)].map(light).sort((a, b) => b - a);
    if ((one + .05) / (other + .05) < 4.5) pale.push(walker.currentNode.data);
}
return pale;
"""
# How wide the page is if every counter has this value. Its functions and variables are the page's own.
WIDE = """
for (const {last} of captures.values())
    for (const {series} of Object.values(last.at.metrics))
        for (const sample of series) if ('value' in sample) sample.value = arguments[0];
show();
return document.documentElement.scrollWidth;
"""
LARGE = (999_999, 8_888_888_888_888)  # the longest that is written out, and one that is not
# What no page of ours should be able to do. Answers with what it could.
ESCAPE = """
const done = arguments[0], could = [];
const script = document.createElement('script');
script.textContent = 'window.escaped = 1';
document.body.append(script);
if (window.escaped) could.push('run a script of another');
const style = document.createElement('style');
style.textContent = 'h1 { display: none }';
document.body.append(style);
if (getComputedStyle(document.querySelector('h1')).display === 'none') could.push('take a style of another');
const image = new Image();
image.onload = image.onerror = () => 0;
document.addEventListener('securitypolicyviolation', event => seen.add(event.effectiveDirective));
const seen = new Set();
image.src = location.origin + '/healthz';
fetch('http://127.0.0.2:' + location.port + '/').catch(() => 0).then(() => setTimeout(() => {
    for (const needed of ['img-src', 'connect-src']) if (!seen.has(needed)) could.push('go around ' + needed);
    done(could);
}, 100));
"""


def open_browser(folder):
    options = webdriver.ChromeOptions()
    for word in [*QUIET, f"--user-data-dir={folder}/profile", *(["--no-sandbox"] if os.geteuid() == 0 else [])]:
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service(shutil.which(DRIVER)), options=options)


def resize(browser, width, height=900, scheme="light", motion="no-preference"):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 700})
    features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": name, "value": value}
                                                                        for name, value in features.items()]})


def text(browser, name):
    return browser.execute_script("return document.getElementById(arguments[0]).textContent", name)


def number(words):
    return int(words.replace(",", ""))


def show(browser, name, state):
    """Choose a capture by the address, and wait for its state."""
    browser.execute_script("location.hash = arguments[0]", name)
    until(f"{name} is shown as {state}", lambda: browser.title == f"{state}: mailtap {name}")


# ---- What it shows ----

def by_protocol(shown, words, report, what):
    findings = []
    for word, told in words.items():
        expected = [report[protocol][told] for protocol in PROTOCOLS]
        found = [number(cell) for cell in shown.get(word, ["0", "0", "0"])]
        if found != expected:
            findings.append(f"{what}: {word}: {found}, report {expected}")
    if not any(word in shown for word in words):
        findings.append(f"{what} shows nothing: {shown}")
    return findings


def ranked(shown, expected, what):
    """The largest eight, and the sum of the rest."""
    expected = {word.replace("_", " ").lower(): value for word, value in expected.items() if value}
    found = {word.lower(): number(cells[-1]) for word, cells in shown.items()}
    rest = {word: found.pop(word) for word in list(found) if word.endswith(" more")}
    findings = [f"{what}: {word}: {value}, report {expected.get(word)}" for word, value in found.items()
                if expected.get(word) != value]
    if sorted(found.values()) != sorted(expected.values())[-8:] or \
            sum(found.values()) + sum(rest.values()) != sum(expected.values()) or \
            list(rest) != ([f"{len(expected) - 8} more"] if len(expected) > 8 else []):
        findings.append(f"{what}: {found}, {rest}, report {expected}")
    return findings


def summed(report, *, depth):
    """The report's numbers by the words of their innermost lists; of all protocols together."""
    sums = collections.Counter()
    for path, value in stat_test.flatten(report).items():
        sums[" ".join(path[-depth:])] += value
    return sums


def check_values(browser, run):
    shown, report = browser.execute_script(TABLES), run.report
    versions = collections.Counter((record.get("tls") or {}).get("version") for record in run.records
                                   if record["mail"]["security"] in ("starttls", "implicit_tls"))
    share = text(browser, "sessions").split("%", maxsplit=1)[0]
    known = [summed(report["sessions"], depth=1)[word] for word in ("implicit_tls", "starttls", "cleartext")]
    if abs(float(share) - 100 * sum(known[:2]) / sum(known)) > 0.5:
        findings = [f"{share} % under TLS, report {known}"]
    else:
        findings = []
    return findings + [
        *by_protocol(shown["sessions"], SECURITY, report["sessions"], "sessions"),
        *by_protocol(shown["starttls"], OUTCOME, report["starttls"], "starttls"),
        *ranked(shown["anomalies"], summed(report["anomalies"], depth=1), "anomalies"),
        *ranked(shown["auth"], summed(report["auth"], depth=3), "auth"),
        *ranked(shown["software"], summed(report["software"], depth=1), "software"),
        *ranked(shown["evidence"], report["evidence"], "evidence"),
        *ranked(shown["losses"], report["losses"], "losses"),
        *ranked(shown["tls"], versions, "TLS versions"),
    ]


def check_life(browser, live, replay):
    """The live capture moves, and another is chosen by keyboard alone."""
    findings = []
    resize(browser, 1280)
    show(browser, live, "live")
    until("the rate of packets", lambda: text(browser, "packets") not in ("–", "0"))
    until("a curve", lambda: browser.find_elements("css selector", "#packets + svg path"))
    busy = browser.execute_script(TABLES)["workers"]["0"][1]
    if busy in ("", "0 %"):
        findings.append(f"the worker's busy share: {busy!r}")
    order = []
    for _ in range(4):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        order.append(browser.execute_script("return document.activeElement.id || document.activeElement.textContent"))
    if order != ["pause", "capture", "metrics", "JSON"]:
        findings.append(f"the tabulator goes to {order}")
    browser.execute_script("document.getElementById('pause').focus()")
    ActionChains(browser).send_keys(Keys.SPACE).perform()
    if text(browser, "state") != "paused" or text(browser, "pause") != "Go on":
        findings.append("the space bar does not pause")
    ActionChains(browser).send_keys(Keys.SPACE, Keys.TAB, Keys.ARROW_DOWN).perform()
    until("the arrow key chooses the replay", lambda: browser.title == f"ended: mailtap {replay}")
    return findings


# ---- How it shows it ----

def check_looks(browser):
    findings = []
    for width, value in itertools.product(WIDTHS, LARGE):
        resize(browser, width)
        wide = browser.execute_script(WIDE, value)
        if wide > width:
            findings.append(f"{wide} pixels wide on a screen of {width}, with counters of {value}")
    for scheme in ("light", "dark"):
        resize(browser, 1280, scheme=scheme)
        findings += [f"{scheme}: too pale: {words!r}" for words in browser.execute_script(PALE)]
    for motion, moves in (("no-preference", True), ("reduce", False)):
        resize(browser, 1280, motion=motion)
        if (browser.execute_script("return document.getAnimations().length") > 0) != moves:
            findings.append(f"prefers-reduced-motion: {motion}: animations: {not moves}")
    return findings


def check_names(browser):
    """What a screen reader is told."""
    findings = []
    nodes = browser.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    roles = collections.Counter()
    for node in nodes:
        role = node.get("role", {}).get("value")
        roles[role] += not node.get("ignored")
        if role in ("button", "combobox", "image", "link", "region", "main") and not node.get("ignored") and \
                not node.get("name", {}).get("value"):
            findings.append(f"a {role} has no name")
    for role, least in {"banner": 1, "main": 1, "contentinfo": 1, "heading": 12, "region": 12, "status": 1, "image": 4,
                        "table": 6, "rowheader": 20, "columnheader": 6}.items():
        if roles[role] < least:
            findings.append(f"{roles[role]} of the role {role}, expected {least}")
    return findings


def check_fences(browser, url):
    loaded = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    findings = [f"it loads {name}" for name in set(loaded) if not name.startswith(url + "/metrics.json")]
    findings += [f"console: {line['message']}" for line in browser.get_log("browser")]
    findings += [f"it could {what}" for what in browser.execute_async_script(ESCAPE)]
    return findings


def watch(folder, live_name, replay_name):
    capture = monitoring.merge(folder)
    absent = f"{replay_name}-absent"
    with monitoring.Exporter(folder, live_name, replay_name, absent) as exporter, \
            monitoring.Live(folder, live_name, monitoring.endless(capture, folder)) as live:
        run = common.replay(capture, workers=2, options=["--counters", replay_name])
        browser = open_browser(folder)
        try:
            resize(browser, 360)
            browser.get(f"{exporter.url}/#{replay_name}")
            show(browser, replay_name, "ended")
            findings = check_values(browser, run)
            findings += check_life(browser, live_name, replay_name)
            show(browser, live_name, "live")
            findings += check_looks(browser) + check_names(browser) + check_fences(browser, exporter.url)
            show(browser, absent, "not there")
            show(browser, live_name, "live")
            live.process.send_signal(signal.SIGKILL)
            until("the page says that the capture has died", lambda: text(browser, "state") == "died")
            exporter.end()
            until("the page says that nobody answers", lambda: text(browser, "state") == "no answer")
            if "These values are of" not in text(browser, "says"):
                findings.append(f"nobody answers, and the page says: {text(browser, 'says')}")
        finally:
            browser.quit()
    return findings


if __name__ == "__main__":
    monitoring.main(watch, "the page shows what the report says, lives and ends with the capture, and keeps to itself",
                    CHROMIUM, DRIVER)
