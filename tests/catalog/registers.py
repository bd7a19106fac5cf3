"""A code list and an organisation, as tests enter them."""

from typing import Any

from tests.catalog.conftest import RunningCatalog

COLOURS = {
    "name": "colour",
    "title": {"zh": "颜色", "en": "Colours"},
    "values": [{"code": "1", "name": {"zh": "红"}}, {"code": "2", "name": {"zh": "黑"}}],
    "standard": "本市标准",
}
HOUSING = {
    "name": "阳江市住房和城乡建设局",
    "kind": "administrative_organ",
    "region": "441700",
    "functions": ["provider"],
    "responsible_unit": "信用管理科",
    "contact_function": "数据专员",
    "telephone": "+86 (662) 000-0000",
    "officers": [],
}
USCC = "110000000000000514"


def publishes(catalog: RunningCatalog, content: dict[str, Any], day: str) -> Any:
    draft = catalog.authority.post("/v1/catalog/code-lists/drafts", content)
    assert draft.status_code == 201, draft.text
    path = f"/v1/catalog/code-lists/drafts/{draft.json['draft_id']}/publish"
    return catalog.authority.post(path, {"revision": 1, "effective_from": day})
