"""What went wrong, as it may be stored and shown, and whether it will pass."""

import traceback
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import grpc
from pymongo.errors import ConnectionFailure, ExecutionTimeout, PyMongoError

from chengxin.errors import Problem

_PROJECT_ROOT: Final = Path(__file__).parents[1]
_RETRYABLE_LABELS: Final = ("TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError")


class NotYet(Exception):
    """What a change needs has not arrived yet. The one argument names it (a catalog entry, say), never a value."""


def is_transient(error: Exception) -> bool:
    """Whether a new attempt may succeed soon: a service or store is unavailable, or two writers conflicted."""
    if isinstance(error, Problem):
        return error.type.status == 503
    if isinstance(error, PyMongoError) and any(error.has_error_label(label) for label in _RETRYABLE_LABELS):
        return True
    return isinstance(error, ConnectionFailure | ExecutionTimeout | grpc.RpcError | OSError)


def reason_of(error: Exception) -> dict[str, str]:
    """An error as it is stored and shown: its class and its place in our code.

    Its message is left out, because it may hold delivered data.
    """
    if isinstance(error, NotYet):
        text = f"waits for {error}"
    elif isinstance(error, Problem):
        # Names the rule that a field breaks, not its content.
        text = " ".join([error.code, *(f"{f.field}:{f.rule}" for f in error.fields[:5])])
    elif isinstance(error, grpc.RpcError) and isinstance(error, grpc.Call):
        text = error.code().name
    else:
        text = _place_in_code(error)
    return {"error": type(error).__name__, "text": text}


def _place_in_code(error: Exception) -> str:
    own: Iterable[traceback.FrameSummary] = (
        frame
        for frame in reversed(traceback.extract_tb(error.__traceback__))
        if frame.filename.startswith(f"{_PROJECT_ROOT}/")
    )
    innermost = next((f for f in own if ".venv" not in f.filename), None)
    return (
        f"{Path(innermost.filename).relative_to(_PROJECT_ROOT)}:{innermost.lineno} in {innermost.name}"
        if innermost
        else ""
    )
