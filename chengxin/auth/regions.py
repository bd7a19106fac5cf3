"""Regions (GB/T 2260), and in which of them an officer acts (Art. 6). This module is pure."""

from typing import Any

from chengxin.auth.principal import Principal
from chengxin.errors import Problem, forbidden

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


def outside(caller: Principal, region: str) -> Problem | None:
    """OUTSIDE_REGION, when the caller does not act for a region."""
    return None if covers(caller.region, region) else OUTSIDE_REGION(region=region or "-", own=caller.region)


def of_the_city(ctx: Any, caller: Principal, *_: object, **__: object) -> Problem | None:
    """the officer acts for the whole city, not for a county"""
    county = caller.region and not caller.region.endswith("00")
    return OUTSIDE_REGION(region="全市 / the whole city", own=caller.region) if county else None
