"""JSON from outside is read in one way, and what could not be stored or answered is refused wherever it comes from."""

import ast
import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chengxin.auth.access_tokens import ASSERTION_TYPE, Verifier
from chengxin.errors import Problem
from chengxin.values.outside_json import GreatNumbers, RepeatedMembers, must_be_readable, read_json
from chengxin.values.page_tokens import text_after
from chengxin.values.provider_statement import read_signed
from gateway.usecases.issue_token import GRANT_TYPES, ClientProof, authenticate
from tests.support import AUDIENCE, ISSUER

_ROOT = Path(__file__).parents[3]
# Values in JSON of which no service can keep or answer one.
UNKEEPABLE = {
    "half of a character": rb'"\ud800"',
    "half of a character, raw": b'"\xed\xa0\x80"',
    "a half inside": rb'["x", {"y": "a\udfffb"}]',
    "not UTF-8": b'"\xff"',
    "UTF-16": '"a"'.encode("utf-16"),
    "a great number": b"1" + b"0" * 30,
    "a great negative number": b"-1" + b"0" * 30,
    "2^53": b"9007199254740992",
    "a number that is too long to be read": b"-" + b"9" * 5000,
    "infinity": b"1e999",
    "NaN": b"NaN",
    "nested too deeply": b"[" * 100_000,
    "nested more deeply than a store keeps": b'{"a":' * 65 + b"1" + b"}" * 65,
    "a member twice": b'{"a": 1, "b": {"c": 1, "\\u0063": 2}}',
}
# What reads JSON by other means: it was written by ourselves, or its reader refuses these values itself.
_OTHERWISE = {
    "chengxin/tabular/reader/jsonl_file.py": "every value of a delivered file stays a text",
    "chengxin/values/outside_json.py": "this is the one way",
    "chengxin/values/jwk.py": "written by PyJWT",
    "chengxin/store/field_encryption.py": "the operator's file",
    "services/audit/usecases/read_events.py": "the log's own entry",
    "services/audit/http/events.py": "the log's own entry",
    "services/audit/domain/event.py": "taken in canonical form alone, which has each member once",
    "services/ingest/store/rejects.py": "written and sealed by this service",
    "services/ingest/usecases/amend_record.py": "written and sealed by this service",
    "services/objection/store/case_mapper.py": "written and sealed by this service",
    "services/disclosure/projections/public_search_file.py": "written by this service",
}
_READERS = {"json.loads", "jwt.get_unverified_header", "msgspec.json.decode"}


def _jws(header: bytes, claims: bytes) -> str:
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (header, claims, b"signature"))


def _client_assertion(value: bytes) -> Any:
    proof = ClientProof(GRANT_TYPES[0], "", ASSERTION_TYPE, _jws(b'{"alg":"EdDSA"}', b'{"sub":' + value + b"}"))
    nothing: Any = None
    return authenticate(nothing, proof)


def _bearer(value: bytes) -> Any:
    header = b'{"alg":"EdDSA","typ":"at+jwt","kid":' + value + b"}"
    return Verifier(ISSUER, AUDIENCE, lambda: {"keys": []}).verify(_jws(header, b"{}"))


def _statement(value: bytes) -> Any:
    return read_signed(_jws(b'{"alg":"EdDSA","kid":' + value + b"}", b"{}"))


_DOORS: dict[str, Callable[[bytes], Any]] = {
    "a client's assertion": _client_assertion,
    "an access token": _bearer,
    "a provider's statement": _statement,
    "a page token": lambda value: text_after(base64.urlsafe_b64encode(value).decode()),
    "what reads": read_json,
}


@pytest.mark.parametrize("value", UNKEEPABLE.values(), ids=UNKEEPABLE.keys())
@pytest.mark.parametrize("door", _DOORS.values(), ids=_DOORS.keys())
def test_what_cannot_be_kept_is_refused(door: Callable[[bytes], Any], value: bytes) -> None:
    with pytest.raises((ValueError, Problem)) as refused:
        door(value)
    if isinstance(refused.value, Problem):
        assert refused.value.type.status in (400, 401)


def test_what_can_be_kept_is_read() -> None:
    value = {"a": [1, -9007199254740991, 1.5, True, None, "诚信", "\U0001f600"], "b": "\\ud800"}
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(rb'"\ud83d\ude00"') == "\U0001f600"
    must_be_readable(_jws(b"{}", b'{"sub": "x"}'))


def test_great_numbers_are_told_by_their_places() -> None:
    with pytest.raises(GreatNumbers) as refused:
        read_json(b'{"a": [1, {"b": -9007199254740992}], "c": ' + b"9" * 5000 + b', "d": "9007199254740992"}')
    assert refused.value.places == ["a.1.b", "c"]


def test_members_that_are_given_twice_are_told_by_their_places() -> None:
    many = ", ".join(f'"{n}": 0' for n in range(200_000)).encode()
    with pytest.raises(RepeatedMembers) as refused:
        read_json(b'{"a": [1, {"b": 1, "c": 2, "b": 9007199254740992}], "d": {' + many + b', "x": 1, "x": 1}, "e": 0}')
    assert refused.value.places == ["a.1.b", "d.x"]


def test_nothing_else_reads_json_from_outside() -> None:
    reading = {str(path.relative_to(_ROOT)) for path in _sources() if _READERS & set(_calls(path))}
    unguarded = {name for name in reading - _OTHERWISE.keys() if "outside_json" not in (_ROOT / name).read_text()}
    assert unguarded == set()
    assert reading >= _OTHERWISE.keys()


def _sources() -> Iterator[Path]:
    for package in ("chengxin", "services", "gateway"):
        yield from (_ROOT / package).rglob("*.py")


def _calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)
