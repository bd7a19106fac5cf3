"""Principals that act in tests of the log."""

from chengxin.auth.principal import Principal, Role

BUREAU = Principal(
    "client:housing", frozenset({Role.AGENCY}), "housing", "11310000MB2F3000XX", purpose="review", officer="A17"
)
