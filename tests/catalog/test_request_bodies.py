"""A body that is not sound JSON, or has the wrong fields, is refused with an explanation, never with an internal error."""

import json
from typing import Any

import pytest

from tests.catalog.conftest import RunningCatalog

PATH = "/v1/catalog/code-lists/drafts"


def refused(catalog: RunningCatalog, body: bytes, language: str = "zh-CN") -> dict[str, Any]:
    headers = catalog.authority.headers | {"Content-Type": "application/json", "Accept-Language": language}
    answer = catalog.authority.client.post(PATH, data=body, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (400, "INPUT_INVALID"), answer.text
    return dict(answer.json)


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "colour"',
        '{"name": "颜色"}'.encode("gb18030"),
        b'{"name": "a\\ud800b"}',
        b'{"a\\udfff": 1}',
        b"[" * 100_000,
        b'{"name": NaN,',
    ],
    ids=["cut", "gb18030", "half a character", "half a character in a name", "deep", "cut NaN"],
)
def test_a_body_that_is_no_json_is_told(catalog: RunningCatalog, body: bytes) -> None:
    [error] = refused(catalog, body)["errors"]
    assert error["rule"] == "json"


def test_whole_characters_named_in_two_halves_are_taken(catalog: RunningCatalog) -> None:
    body = json.dumps({"name": "rare", "title": {"zh": "𠮷"}, "values": [{"code": "1", "name": {"zh": "𠮷"}}]})
    assert "\\ud842" in body
    headers = catalog.authority.headers | {"Content-Type": "application/json"}
    answer = catalog.authority.client.post(PATH, data=body, headers=headers)
    assert answer.json["code_list"]["title"]["zh"] == "𠮷"


def test_what_is_wrong_with_a_field_is_told_in_the_language_asked_for(catalog: RunningCatalog) -> None:
    body = json.dumps({"name": "x", "title": 3, "unknown": 1}).encode()
    told = {e["field"]: e["message"] for e in refused(catalog, body)["errors"]}
    assert told == {"title": "须为 JSON 对象", "values": "必填", "unknown": "没有这一项，请核对名称或去掉"}
    english = {e["field"]: e["message"] for e in refused(catalog, body, "en")["errors"]}
    assert english["values"] == "Field required"
