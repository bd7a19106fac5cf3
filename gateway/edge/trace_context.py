"""W3C Trace Context: every request has a trace, and each hop a span of its own."""

import os
import re
from typing import Final

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")


def next_hop(traceparent: str) -> str:
    """The `traceparent` to send on: the same trace with a new span; a new trace when there is none that can be used."""
    found = _TRACEPARENT.match(traceparent)
    if found is None or not int(found[1], 16) or not int(found[2], 16):
        return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
    return f"00-{found[1]}-{os.urandom(8).hex()}-{found[3]}"
