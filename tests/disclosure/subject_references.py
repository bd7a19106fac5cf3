"""Records of one company under different references, as different providers deliver them."""

from typing import Any

from chengxin_api.ingest.v1 import ingest_pb2
from tests.disclosure.running_disclosure import COMPANY, DisclosureCaller, RunningDisclosure

NAME = "阳江市海陵食品有限公司"
CODE = COMPANY[8:17]
# Another company, whose code contains another organisation code.
OTHER = "91000000MA00471125"
COURT = "11000000MB7332462W"


def licence(
    city: RunningDisclosure, key: str = "licence", identifier: str = COMPANY, called: str = NAME, **items: Any
) -> ingest_pb2.RecordVersion:
    fields = {"XK_WSH": f"阳许字〔2026〕{key}号", "XK_NR": "食品经营", "XK_YXQZI": "2031-01-01"} | items
    return city.record("XZXK", identifier, called, key, **fields)


def by_code(city: RunningDisclosure, key: str = "fine", code: str = CODE, name: str = NAME, **items: Any) -> Any:
    """A penalty by a provider that knows only the organisation code."""
    fields = {"CF_WSH": f"阳处字〔2026〕{key}号", "CF_SY": "超范围经营", "CF_GSJZQ": "2029-01-01"} | items
    made = city.record("XZCF", COMPANY, name, key, **fields)
    made.provider_uscc, made.provider_name = COURT, "阳江市生态环境局"
    del made.items["CF_XDR_SHXYM"]
    made.items["CF_XDR_ZZJG"] = code
    made.subject.scheme, made.subject.uscc = "organisation_code", ""
    made.subject.subject_ref = of_code(city, code)
    return made


def of_code(city: RunningDisclosure, code: str = CODE) -> str:
    return city.ctx.subject_key.subject_ref("organisation_code", code)


def records(caller: DisclosureCaller, path: str) -> list[str]:
    answer = caller.get(path)
    return [r["record_id"] for r in answer.json["records"]] if answer.status_code == 200 else []
