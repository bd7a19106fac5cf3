"""Runs a command that gets SIGTERM when its parent ends: `python -I pdeathsig.py COMMAND ARGUMENTS…` (Linux).

A parent may end before this program has asked the kernel. So its caller gives its own pid in `PDEATHSIG_PARENT`, and
this program compares it with the pid of its parent. For what the command starts, the variable holds the command's pid.
It also takes away the block of signals that the command would inherit (`chengxin/process/stop_signals.py`).
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
signal.pthread_sigmask(signal.SIG_SETMASK, ())
os.execv(sys.argv[1], sys.argv[1:])
