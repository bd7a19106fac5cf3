"""Runs a command that gets SIGTERM when its parent ends: `python -I pdeathsig.py COMMAND ARGUMENTS…` (Linux).

A parent that ended before the kernel could be asked is known by its pid (`PDEATHSIG_PARENT`): whoever runs this file tells
it, and what runs by this file tells its own to what it starts.
"""

import ctypes
import os
import signal
import sys

if sys.platform == "linux":
    _PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    parent = os.environ.get("PDEATHSIG_PARENT")
    if parent and os.getppid() != int(parent):
        os.kill(os.getpid(), signal.SIGTERM)
    os.environ["PDEATHSIG_PARENT"] = str(os.getpid())
os.execv(sys.argv[1], sys.argv[1:])
