"""The authorization table, read from the faces themselves: what `chengxin policy` prints and tests are made from."""

from collections.abc import Sequence
from typing import Any

from flask import Flask

from chengxin.auth.policy import Rule


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
    rule: Rule | None = getattr(view, "rule", None)
    if rule is not None:
        return {"service": service, "face": face, **rule.to_dict()}
    reason = getattr(view, "open_to_all", None)
    if reason is None:
        raise LookupError(f"{service}: {face} has no rule; mark it with @serves(use_case) or @open_to_all(reason)")
    return {"service": service, "face": face, "open_to_all": reason}
