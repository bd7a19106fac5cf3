"""Writes docs/powers.md, every power of an officer over others, from the code; with --check fails when it is stale.

usage: python tools/list_powers.py [--check] [FILE]
"""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from generated_documents import PACKAGES, ROOT, import_all, item, write_or_compare

if TYPE_CHECKING:
    from chengxin.auth.policy import Rule
    from chengxin.auth.powers import Power

_HEAD: Final = """<!-- made by `make docs` (tools/list_powers.py) -->

# Powers of officers

Every act by which an officer of the centre, the authority or a supervisor changes what is others', from the rules of
the code (Art. 16, 29, 31; [decision 34](decisions/0034-powers-are-declared.md)). Of each: who may do it, in which
region, how many officers it takes and why, and who is told. What takes two is proposed by one officer and done when
another one approves: `…/proposals` of the same service. Not in it: what the operator does who has the store and its
keys (`python -m gateway bootstrap`), on record as `operator`.
"""
_REGIONS: Final = {"own": "only for what lies in the officer's region", "city": "only an officer of the whole city"}
_NUMBERS: Final = {1: "One officer", 2: "Two officers"}


def document() -> str:
    """The whole document."""
    return _HEAD + "".join(_sections())


def _sections() -> Iterator[str]:
    from chengxin.auth.policy import declared_rules

    for title, package in PACKAGES:
        import_all(package)
        rules = [r for r in declared_rules() if r.power is not None and r.use_case.startswith(f"{package}.")]
        if rules:
            yield f"\n## {title}\n\n{''.join(_rule(rule, rule.power) for rule in rules if rule.power)}"


def _rule(rule: "Rule", power: "Power") -> str:
    where = _REGIONS.get(power.region.scope, f"in any region: {power.region.reason}")
    lines = (
        f"Who: {', '.join(sorted(rule.roles))}; {where}.",
        f"{_NUMBERS[power.officers.number]}: {power.officers.reason}.",
        f"Told: {power.told}.",
    )
    return item(f"**`{rule.act}`** {rule.act.zh}. {rule.act.en}.") + "".join(item(line, 2) for line in lines)


if __name__ == "__main__":
    write_or_compare(sys.argv[1:], ROOT / "docs" / "powers.md", document)
