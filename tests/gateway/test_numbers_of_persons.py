"""Words that go on record are refused where they come in, when they hold a number that stands for a person."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.values.jwk import public_jwk
from tests.chengxin.values.test_personal_numbers import NUMBER, WRITTEN
from tests.gateway.administration import ORG, event_of, propose, register
from tests.gateway.conftest import RunningGateway

CLIENT = {"client_id": "c-x", "name": "某单位", "org": ORG, "region": "441702", "responsible": "G1702-01"}
OFFICER = {"username": "x", "name": "某人", "org": ORG, "region": "441702"}
LAW = {"legal_basis": "民事诉讼法第二百五十三条", "case_no": "（2026）粤17执123号", "officer": "F1702-08"}
WAYS = ("plain", "full-width", "spaced", "dotted", "with what shows nothing", "a mobile telephone")


def _key(**changed: Any) -> dict[str, Any]:
    return public_jwk(Ed25519PrivateKey.generate()) | changed


@pytest.mark.parametrize("way", WAYS)
def test_they_are_refused_wherever_something_is_registered(gate: RunningGateway, way: str) -> None:
    text = WRITTEN[way]
    client_id = register(gate)
    for path, body in (
        ("clients", CLIENT | {"jwk": _key(), "client_id": text}),
        ("clients", CLIENT | {"jwk": _key(), "responsible": text}),
        ("clients", CLIENT | {"jwk": _key(kid=text)}),
        ("officers", OFFICER | {"username": text}),
        (f"clients/{client_id}/keys", {"jwk": _key(kid=text)}),
        (f"clients/{client_id}/grants", {"roles": ["statutory"], "legal_bases": [text]}),
        (f"clients/{client_id}/grants", {"roles": ["agency"], "purposes": [{"purpose": text, "agreement": "1"}]}),
        (f"clients/{client_id}/grants", {"roles": ["agency"], "purposes": [{"purpose": "a", "agreement": text}]}),
    ):
        officer = gate.officer("second" if path == "officers" else "operator")
        refused = officer.call("POST", f"/v1/identity/{path}", json=body)
        assert refused.status == 400, (path, body, refused.body)
    for field in ("case_no", "officer", "purpose", "legal_basis"):
        assert gate.ask(gate.assertion("court"), **(LAW | {field: text})).status == 400, field
    assert not any(text in json.dumps(event, ensure_ascii=False) for event in gate.grpc_upstream.events)


@pytest.mark.parametrize("case_no", ["张三", "王某 诉 李某", "（2026）<b>1号"])
def test_what_is_no_case_number_is_refused(gate: RunningGateway, case_no: str) -> None:
    assert gate.ask(gate.assertion("court"), **(LAW | {"case_no": case_no})).status == 400


def test_an_absent_thing_is_on_record_and_a_number_in_its_place_is_not(gate: RunningGateway) -> None:
    for path, act in (("clients/", "client.read"), ("officers/", "officer.read")):
        for name, asked in (("nobody", "nobody"), (NUMBER, "withheld")):
            absent = gate.officer("second").call("GET", f"/v1/identity/{path}{name}")
            assert absent.status == 404
            assert event_of(gate, act, absent, "refused")["details"]["asked"] == [asked]


def test_grants_of_words_are_as_before(gate: RunningGateway) -> None:
    grants = {"roles": ["statutory"], "legal_bases": ["《行政处罚法》第四十条"]}
    assert propose(gate, register(gate), grants).status == 202
