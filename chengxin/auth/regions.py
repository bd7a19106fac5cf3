"""Regions (GB/T 2260), and in which of them an officer acts (Art. 6). This module is pure."""

import inspect
from collections.abc import Callable
from typing import Any, Final, TypeVar

from chengxin.auth.powers import ADMINISTRATORS
from chengxin.auth.principal import Principal
from chengxin.errors import InBoth, Problem, forbidden
from chengxin.values.marks import Mark

# A condition or a permission of a rule.
Check = Callable[..., Problem | None]
C = TypeVar("C", bound=Check)

# That a condition or permission judges the region.
_REGIONAL: Final = Mark[bool]("regional")

OUTSIDE_REGION = forbidden(
    "OUTSIDE_REGION",
    "对象属于区划 {region}，不在您的管辖范围（{own}）内",
    "It belongs to region {region}, outside of yours ({own})",
)


def covers(own: str, region: str) -> bool:
    """Whether an officer of region `own` acts for `region`: 441700 covers 441702, an empty one covers everything."""
    if not own:
        return True
    stem = own
    while len(stem) > 2 and stem.endswith("00"):
        stem = stem[:-2]
    return bool(region) and region.startswith(stem)


def city_of(region: str) -> str:
    """The city in which a region lies, 441700 for 441702."""
    return f"{region[:4]}00"


def outside(caller: Principal, region: str) -> Problem | None:
    """OUTSIDE_REGION, when the caller does not act for a region."""
    return (
        None
        if covers(caller.region, region)
        else OUTSIDE_REGION(region=region or InBoth("未登记", "that is not on record"), own=caller.region)
    )


def regional(check: C) -> C:
    """Marks a condition or permission that judges the thing's region; a power in one's `OWN` region has one."""
    _REGIONAL.put(check, True)
    return check


def is_regional(check: Check) -> bool:
    """Whether a condition or permission judges the thing's region."""
    return bool(_REGIONAL.of(check))


def within(region_of: Callable[..., str]) -> Check:
    """The condition or permission that an officer acts for the region which `region_of(ctx, thing, …)` gives.

    As a permission it judges the thing as it was loaded, as a condition what was asked for. The docstring of
    `region_of` is its own. It judges officers of the administration alone: others have no region to act in.
    """

    @regional
    def check(ctx: Any, caller: Principal, thing: Any, *rest: Any, **named: Any) -> Problem | None:
        if thing is None or not caller.roles & ADMINISTRATORS:
            return None
        return outside(caller, region_of(ctx, thing, *rest, **named))

    check.__doc__, check.__name__ = inspect.getdoc(region_of), region_of.__name__
    return check


def all_of(*checks: Check) -> Check:
    """The condition or permission that all of these let the caller act, asked in this order."""

    def check(ctx: Any, caller: Principal, *about: Any, **named: Any) -> Problem | None:
        for one in checks:
            if (problem := one(ctx, caller, *about, **named)) is not None:
                return problem
        return None

    check.__doc__ = "; ".join(inspect.getdoc(one) or one.__name__ for one in checks)
    return regional(check) if any(map(is_regional, checks)) else check


def of_the_city(ctx: Any, caller: Principal, *_: object, **__: object) -> Problem | None:
    """the officer acts for the whole city, not for a county"""
    county = caller.region and not caller.region.endswith("00")
    return OUTSIDE_REGION(region=InBoth("全市", "the whole city"), own=caller.region) if county else None
