"""W3C Trace Context: every request has a trace, and each hop has a span of its own."""

import os
import re
from typing import Final

_TRACEPARENT: Final = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")


def next_hop(traceparent: str) -> str:
    """Returns the `traceparent` to send on: the same trace with a new span, or a new trace when it is not valid."""
    match = _TRACEPARENT.match(traceparent)
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return f"00-{os.urandom(16).hex()}-{os.urandom(8).hex()}-00"
    return f"00-{match[1]}-{os.urandom(8).hex()}-{match[3]}"
