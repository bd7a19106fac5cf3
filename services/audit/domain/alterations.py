"""What the store of the log holds otherwise than it was appended, derived or signed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from chengxin.errors import Problem, precondition, unavailable

# What is made again from the groups; a test compares both sets with the declared documents.
DERIVED: Final = frozenset({"tiles", "segments", "buckets", "progress"})
# What nothing else holds: the events, and what was signed over them.
ORIGINAL: Final = frozenset({"groups", "checkpoints"})
# Without these a search may miss events.
_SEARCHED: Final = frozenset({"segments", "buckets"})

LOG_ALTERED = unavailable(
    "LOG_ALTERED",
    "审计日志的存储与写入或签名的内容不符：{what}。请用 chengxin audit verify 查明并联系监管人员；可由日志重新生成的部分用 "
    "chengxin audit repair 修复",
    "The stored audit log is not what was appended and signed: {what}. Verify it with `chengxin audit verify` and tell "
    "the supervisors; what is derived is made again by `chengxin audit repair`",
)
LOG_NOT_REPAIRABLE = precondition(
    "LOG_NOT_REPAIRABLE",
    "审计日志的原始内容已被改动，无法由其他内容重新生成：{what}。请从备份恢复存储，再用 chengxin audit verify --checkpoint 核对",
    "Originals of the audit log were altered, and nothing else holds them: {what}. Restore the store from a backup, then "
    "verify it with `chengxin audit verify --checkpoint`",
)


class RowFault(StrEnum):
    """How a stored row is wrong."""

    MISSING = "missing"
    DIFFERS = "differs"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True)
class Alteration:
    """One row of the store that is not as it was written. `fields` names what differs in it, where that is known."""

    collection: str
    key: str
    fault: RowFault
    fields: str = ""

    @property
    def derived(self) -> bool:
        """Whether it can be made again from the groups."""
        return self.collection in DERIVED

    @property
    def hides_events(self) -> bool:
        """Whether a search may miss events because of it."""
        return self.collection in _SEARCHED

    def __str__(self) -> str:
        return f"{self.collection} {self.key} {self.fault}" + (f" ({self.fields})" if self.fields else "")

    def to_dict(self) -> dict[str, str | bool]:
        """For answers; `derived` says whether a repair can make it again."""
        return vars(self) | {"fault": self.fault.value, "derived": self.derived}


class LogAltered(Problem):
    """The store does not hold what was appended or signed. The callers of both faces read it as LOG_ALTERED."""

    def __init__(self, alteration: Alteration) -> None:
        super().__init__(LOG_ALTERED, {"what": str(alteration)}, (), 10.0)
        self.alteration = alteration


def listed(alterations: Iterable[Alteration]) -> str:
    """The first of some alterations, in words."""
    shown = [str(a) for a in alterations]
    more = f"; +{len(shown) - 5}" if len(shown) > 5 else ""
    return "; ".join(shown[:5]) + more
