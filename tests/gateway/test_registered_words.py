"""Words that officers register and approve are what they look like, and names in addresses are names there."""

from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from chengxin.values.jwk import public_jwk
from gateway.http import administration_bodies, identity
from tests.gateway.administration import ORG, register
from tests.gateway.conftest import RunningGateway

WANG, COMPANY = "441702189107040017", "91000000MA0010010F"
CLIENT = {"client_id": "c-seen", "name": "某单位", "org": ORG, "region": "441702", "responsible": "G1702-01"}
OFFICER = {"username": "seen", "name": "某人", "org": ORG, "region": "441702"}
AGENT = {"identity_number": WANG, "uscc": COMPANY, "capacity": "agent", "until": "2027-01-01"}
UNSEEN = ("\u3164", " ", "a\u202eb", "a\u200bb", "a\0b", "a\nb", "a\u2028b", "\ufeffa")


def _key(**changed: Any) -> dict[str, Any]:
    return public_jwk(Ed25519PrivateKey.generate()) | changed


# Every free text of a body of the gateway: who sends it where, with which text in the field.
def _bodies(text: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    grants = {"roles": ["agency"], "purposes": [{"purpose": "a", "agreement": "1"}]}
    return {
        "ClientBody.name": ("operator", "clients", CLIENT | {"jwk": _key(), "name": text}),
        "ClientBody.responsible": ("operator", "clients", CLIENT | {"jwk": _key(), "responsible": text}),
        "ClientGrantsBody.legal_bases": ("operator", "clients/{}/grants", {"roles": [], "legal_bases": [text]}),
        "PurposeBody.purpose": (
            "operator",
            "clients/{}/grants",
            grants | {"purposes": [{"purpose": text, "agreement": "1"}]},
        ),
        "PurposeBody.agreement": (
            "operator",
            "clients/{}/grants",
            grants | {"purposes": [{"purpose": "a", "agreement": text}]},
        ),
        "OfficerBody.name": ("second", "officers", OFFICER | {"name": text}),
        "RepresentationBody.authorization": ("operator", "representations", AGENT | {"authorization": text}),
    }


# What proves who somebody is, and numbers that are judged by their check digits.
PROOFS = {
    "CounterBody.identity_number",
    "CodeBody.identity_number",
    "CodeBody.code",
    "RepresentationBody.identity_number",
}


def _free_texts() -> Iterator[str]:
    """The fields of the gateway's bodies that take text of any form."""
    for module in (administration_bodies, identity):
        for name, model in vars(module).items():
            if not name.endswith("Body") or not issubclass(model, BaseModel) or model.__module__ != module.__name__:
                continue
            for field, schema in model.model_json_schema()["properties"].items():
                text = schema.get("items", schema)
                if text.get("type") == "string" and not text.keys() & {"pattern", "enum", "const"}:
                    yield f"{name}.{field}"


def test_no_free_text_is_missing_here() -> None:
    assert set(_free_texts()) == _bodies("").keys() | PROOFS


@pytest.mark.parametrize("place", _bodies(""))
def test_what_nobody_sees_is_registered_nowhere(gate: RunningGateway, place: str) -> None:
    client_id = register(gate)
    for text in UNSEEN:
        who, path, body = _bodies(text)[place]
        refused = gate.officer(who).call(
            "POST", f"/v1/identity/{path.format(client_id)}", json=to_jsonable_python(body)
        )
        assert refused.status == 400, (place, text, refused.body)


@pytest.mark.parametrize("name", [".", "..", ".hidden"])
def test_a_name_that_is_no_step_of_an_address_is_refused(gate: RunningGateway, name: str) -> None:
    client_id = register(gate)
    for who, path, body in (
        ("operator", "clients", CLIENT | {"jwk": _key(), "client_id": name}),
        ("operator", "clients", CLIENT | {"jwk": _key(kid=name)}),
        ("operator", f"clients/{client_id}/keys", {"jwk": _key(kid=name)}),
        ("second", "officers", OFFICER | {"username": name}),
    ):
        refused = gate.officer(who).call("POST", f"/v1/identity/{path}", json=body)
        assert refused.status == 400, (path, refused.body)
