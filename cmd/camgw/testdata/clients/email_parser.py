"""Reads a stream as a MIME message, with Python's email parser.

Usage: email_parser.py ADDRESS COUNT. Says the SHA-256 of each picture.
"""

import email.parser
import hashlib
import sys
import urllib.request

address, count = sys.argv[1], int(sys.argv[2])
with urllib.request.urlopen(address, timeout=10) as response:
    parser = email.parser.BytesFeedParser()
    parser.feed(b"Content-Type: %s\r\n\r\n" % response.headers["Content-Type"].encode())
    boundary = b"--" + response.headers.get_param("boundary").encode()
    seen = 0
    while seen <= count:
        piece = response.readline()
        seen += piece.strip() == boundary
        parser.feed(piece)
parser.feed(b"--\r\n")
for part in parser.close().get_payload()[:count]:
    assert part.get_content_type() == "image/jpeg", part.items()
    picture = part.get_payload(decode=True)
    assert len(picture) == int(part["Content-Length"]), part.items()
    print(hashlib.sha256(picture).hexdigest())
