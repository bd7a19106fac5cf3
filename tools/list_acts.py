"""Writes docs/audit-acts.md, every act that can go on record, from the code; with --check fails when it is stale.

usage: python tools/list_acts.py [--check] [FILE]
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from generated_documents import PACKAGES, ROOT, import_all, item, write_or_compare

if TYPE_CHECKING:
    from chengxin.auth.policy import Rule
    from chengxin.values.acts import Act

_HEAD: Final = """<!-- made by `make docs` (tools/list_acts.py) -->

# Acts on record

Every query and every change is an audit event with one of these acts (Art. 31); what an event holds is in
[audit-event.md](audit-event.md). A change commits with its event or not at all; an answer is given when its event is
durable. A refusal is an event of the same act with the outcome `refused`; where an act says that it leaves no event,
refusals still do. `details` are all that an event of the act may hold besides, with the kind of each; what is not of
its kind is `withheld` (`chengxin/audit/details.py`).
"""


def document() -> str:
    """The whole document."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    from chengxin.auth.policy import declared_rules
    from chengxin.values.acts import Act

    left = dict.fromkeys(Act)
    for title, package in PACKAGES:
        import_all(package)
        rules: dict[Act, list[Rule]] = {}
        for rule in declared_rules():
            if rule.act in left and rule.use_case.startswith(f"{package}."):
                rules.setdefault(rule.act, []).append(rule)
        for act in rules:
            del left[act]
        if rules:
            yield f"\n## {title}\n\n{''.join(_act(act, found) for act, found in rules.items())}"
    beside = "".join(_act(act, []) for act in left)
    yield f"\n## Beside those\n\nActs that follow from others, or happen before it is known who asks.\n\n{beside}"


def _act(act: "Act", rules: "list[Rule]") -> str:
    about = item(f"`{act}`: {act.zh}. {act.en}.")
    # Several use cases may have the same act, and the same thing to say of it.
    lines: dict[str, None] = {}
    for rule in rules:
        roles = ", ".join(sorted(rule.roles)) or f"open to all ({rule.open_to_all})"
        kind = "changes something" if rule.changes else "answers a query"
        event = f"no event, because {rule.unrecorded}" if rule.unrecorded else kind
        lines[item(f"{roles}; Art. {', '.join(rule.articles)}; {event}", 2)] = None
    return about + "".join(lines) + _details(act)


def _details(act: "Act") -> str:
    from chengxin.audit.details import DETAILS

    kinds = "; ".join(f"`{name}` ({kind.title})" for name, kind in DETAILS.get(act, {}).items())
    return item(f"details: {kinds}", 2) if kinds else ""


if __name__ == "__main__":
    write_or_compare(sys.argv[1:], ROOT / "docs" / "audit-acts.md", document)
