"""Runs a command that gets SIGTERM when its parent ends: `python -I pdeathsig.py COMMAND ARGUMENTS…` (Linux)."""

import ctypes
import os
import signal
import sys

if sys.platform == "linux":
    _PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
