# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 the mailtap authors
"""Write the page as a C file, and the policy that lets a browser run what stands in it and nothing else.

embed.py PAGE: C on standard output.
"""
import base64
import hashlib
import pathlib
import re
import sys

page = pathlib.Path(sys.argv[1]).read_bytes()


def source_of(tag):
    """The hash of the page's one element of that name (Content Security Policy Level 3, 2.3.1)."""
    content, = re.findall(rb"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
    return "'sha256-" + base64.b64encode(hashlib.sha256(content).digest()).decode() + "'"


policy = (f"default-src 'none'; script-src {source_of(b'script')}; style-src {source_of(b'style')}; connect-src 'self'; "
          "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
print('#include "page.h"\n')
print(f'const char mt_page_policy[] = "{policy}";')
print(f"const size_t mt_page_bytes = {len(page)};")
print("const char mt_page[] = {")
for at in range(0, len(page), 16):
    print("\t" + " ".join(f"'\\x{byte:02x}'," for byte in page[at:at + 16]))
print("};")
