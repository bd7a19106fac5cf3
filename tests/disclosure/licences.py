"""Licences of a company as ingest publishes them, and all that the public sees of the company."""

from chengxin_api.ingest.v1 import ingest_pb2
from demo.identifiers import demo_uscc
from tests.disclosure.running_disclosure import COMPANY, RunningDisclosure

NAME = "阳江市海陵食品有限公司"
OTHER = "91000000MA0009028J"
OTHER_COMPANY = demo_uscc("91", 500_001, "MC")


def licence(city: RunningDisclosure, key: str = "a", **items: object) -> ingest_pb2.RecordVersion:
    fields = {"XK_WSH": key, "XK_NR": f"内容{key}", "XK_YXQZI": "2031-01-01"} | items
    return city.record("XZXK", fields.pop("code", COMPANY), fields.pop("name", NAME), key, **fields)


def everything(city: RunningDisclosure, size: int = 200) -> list[dict[str, object]]:
    found, token = [], ""
    while True:
        answer = city.anybody.get(f"/v1/public/subjects/{city.ref(COMPANY)}?page_size={size}&page_token={token}").json
        found += answer["records"]
        if not (token := answer["next_page_token"]):
            return found
