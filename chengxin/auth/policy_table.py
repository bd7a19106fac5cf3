"""The authorization table: every face with its rule, as `chengxin policy` prints it and tests read it.

The rules are declared with the use cases (`chengxin.auth.policy.declared_rules`). Which route serves which use case is
known only from an app: its views are functions inside the functions that add the routes, since they keep the context
that they answer from. So the app is made, with placeholders for what it would answer from.
"""

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from flask import Flask

from chengxin.auth.policy import OPEN_TO_ALL, RULE

T = TypeVar("T")


class _Placeholder:
    def __init__(self, kind: type) -> None:
        self._kind = kind

    def __getattr__(self, name: str) -> Any:
        raise LookupError(
            f"{self._kind.__name__}.{name} is used, but this app only tells its rules: it answers no call"
        )


def placeholder(kind: type[T]) -> T:
    """Stands for a context, or another thing that faces answer from, in an app that only tells its rules.

    Any use raises `LookupError`.
    """
    return cast(T, _Placeholder(kind))


def policy_table(service: str, app: Flask, servicers: Sequence[tuple[type, str]]) -> list[dict[str, Any]]:
    """One row per HTTP route and gRPC method of a service. Raises `LookupError` for one without a rule."""
    rows = []
    for route in sorted(app.url_map.iter_rules(), key=lambda r: r.rule):
        if route.endpoint == "static":
            continue
        for method in sorted((route.methods or set()) - {"HEAD", "OPTIONS"}):
            rows.append(_row(service, f"{method} {route.rule}", app.view_functions[route.endpoint]))
    for servicer, full_name in servicers:
        for name, method in vars(servicer).items():
            if name[0].isupper() and callable(method):
                rows.append(_row(service, f"{full_name}/{name}", method))
    return rows


def _row(service: str, face: str, view: Any) -> dict[str, Any]:
    rule = RULE.of(view)
    if rule is not None:
        return {"service": service, "face": face, **rule.to_dict()}
    reason = OPEN_TO_ALL.of(view)
    if reason is None:
        raise LookupError(f"{service}: {face} has no rule; mark it with @serves(use_case) or @open_to_all(reason)")
    return {"service": service, "face": face, "open_to_all": reason}
