"""Citizens prove who they are at the service counter; organisations' representatives are recorded there."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import jwt
import pytest
from pymongo import MongoClient

from chengxin.values.clock import SystemClock
from chengxin.values.permitted_period import latest_end
from chengxin_cli.gateway_client import HttpAnswer
from demo.identifiers import demo_identity_number
from gateway.http.identity import Document
from gateway.usecases.counter_verification import DOCUMENTS
from tests.gateway.administration import decide
from tests.gateway.conftest import RunningGateway
from tests.gateway.test_pages import own_page, posted
from tests.support import until

WANG = demo_identity_number(datetime(1899, 5, 1, tzinfo=UTC).date(), 7)
OTHER = demo_identity_number(datetime(1899, 5, 2, tzinfo=UTC).date(), 8)
COMPANY = "91000000MA0000242C"


def _code(gate: RunningGateway, number: str = WANG) -> str:
    answer = gate.officer("operator").call(
        "POST", "/v1/identity/counter/codes", json={"identity_number": number, "counter": "3"}
    )
    assert answer.status == 201, answer.body
    event = until(
        lambda: next(
            (e for e in gate.grpc_upstream.acts("counter.code_issued") if e["request_id"] == answer.request_id), None
        )
    )
    assert event["actor"]["sub"] == "officer:operator"
    assert event["details"]["counter"] == "3"
    assert event["subject_refs"] == [gate.subject_key.subject_ref("identity_number", number)]
    assert number not in str(event)
    return str(answer.body["code"])


def _exchange(gate: RunningGateway, code: str, number: str = WANG, uscc: str = "") -> HttpAnswer:
    body = {"identity_number": number, "code": code, "uscc": uscc}
    return gate.edge.call("POST", "/v1/identity/counter/token", json=body)


def _claims(answer: HttpAnswer) -> dict[str, Any]:
    assert answer.status == 200, answer.body
    return jwt.decode(answer.body["access_token"], options={"verify_signature": False})


def _represent(gate: RunningGateway, **more: str) -> HttpAnswer:
    body = {"identity_number": WANG, "uscc": COMPANY, **more}
    return gate.officer("operator").call("POST", "/v1/identity/representations", json=body)


def _agent(gate: RunningGateway, number: str) -> HttpAnswer:
    """The token of an agent of the company until today."""
    more = {"authorization": "授权〔2026〕2号", "until": SystemClock().today().isoformat()}
    recorded = _represent(gate, identity_number=number, capacity="agent", **more)
    assert decide(gate, recorded, "watcher").status == 200
    return _exchange(gate, _code(gate, number), number, COMPANY)


def test_a_code_is_good_once_and_for_her_alone(gate: RunningGateway) -> None:
    code = _code(gate)
    stolen = _exchange(gate, code, OTHER)
    assert (stolen.status, stolen.body["code"]) == (401, "COUNTER_CODE_REFUSED")
    answer = _exchange(gate, code.lower())
    claims = _claims(answer)
    assert claims["sub"] == gate.subject_key.subject_ref("identity_number", WANG)
    assert (claims["acr"], claims["roles"]) == ("counter", ["subject"])
    # Whatever is done with the token names the officer who handed out the code.
    assert claims["verified_by"] == "officer:operator"
    [event] = [e for e in gate.grpc_upstream.acts("citizen.identified") if e["request_id"] == answer.request_id]
    assert event["actor"]["verified_by"] == "officer:operator"
    again = _exchange(gate, code)
    assert (again.status, again.body["code"]) == (401, "COUNTER_CODE_REFUSED")
    refused = gate.grpc_upstream.acts("citizen.identified", "refused")
    assert [e for e in refused if e["request_id"] == again.request_id]


# Each as it may be written at the counter, and as records have it.
NUMBERS = {
    "resident_identity_card": (WANG, WANG),
    "temporary_identity_card": (OTHER, OTHER),
    "residence_permit": ("830000189905010016", "830000189905010016"),
    "permanent_residence_card": ("kaz440099123105", "KAZ440099123105"),
    "hk_macao_travel_permit": ("H0000000701", "H00000007"),
    "taiwan_travel_permit": ("0000 0007", "00000007"),
    "passport": ("uto-e00000007", "UTO-E00000007"),
}


def test_in_a_browser_the_code_opens_ones_own_page(gate: RunningGateway) -> None:
    form: dict[str, object] = {"number": WANG, "code": _code(gate)}
    refused = posted(gate, "/sign-in/counter?lang=en", form | {"code": "no such code"})
    assert refused.status == 401
    assert "The code is not good" in refused.body
    # Neither the number nor the code comes back in the page.
    assert WANG not in refused.body
    assert "Set-Cookie" not in refused.headers
    # The way to the other language is the form, not the address that took it.
    assert 'href="/sign-in?lang=zh-CN"' in refused.body
    answer = posted(gate, "/sign-in/counter?lang=en", form)
    assert (answer.status, answer.headers["Location"]) == (303, "/me?lang=en")
    assert own_page(gate, answer.headers["Set-Cookie"].partition(";")[0]).status == 200
    assert posted(gate, "/sign-in/counter", form).status == 401


def test_every_document_is_named_in_the_contract() -> None:
    assert NUMBERS.keys() == DOCUMENTS.keys() == set(get_args(Document))


@pytest.mark.parametrize("document", NUMBERS)
def test_a_person_with_any_document_reads_her_own_records(gate: RunningGateway, document: str) -> None:
    """Whoever is in an entry about persons can be verified: citizens, residents, foreigners."""
    written, recorded = NUMBERS[document]
    body = {"identity_number": written, "document": document}
    code = gate.officer("operator").call("POST", "/v1/identity/counter/codes", json=body).body["code"]
    claims = _claims(_exchange(gate, code, written))
    assert claims["sub"] == gate.subject_key.subject_ref(DOCUMENTS[document], recorded)


@pytest.mark.parametrize(
    ("document", "number"),
    [("passport", WANG), ("resident_identity_card", "UTO-E00000007"), ("taiwan_travel_permit", "H00000007")],
)
def test_a_number_of_another_document_is_refused(gate: RunningGateway, document: str, number: str) -> None:
    body = {"identity_number": number, "document": document}
    answer = gate.officer("operator").call("POST", "/v1/identity/counter/codes", json=body)
    assert (answer.status, answer.body["errors"][0]["field"]) == (400, "identity_number")


def test_a_code_expires(gate: RunningGateway) -> None:
    code = _code(gate)
    client: MongoClient[dict[str, Any]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    codes = client["gateway"]["counter_codes"]
    codes.update_many({}, {"$set": {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}})
    kept = repr(list(codes.find()))
    client.close()
    assert _exchange(gate, code).status == 401
    # The stored document has neither code nor number.
    assert code not in kept
    assert WANG not in kept


@pytest.mark.parametrize("number", [f"{WANG[:17]}{'1' if WANG[17] == '0' else '0'}", f"{WANG[:17]}A", "1" * 18])
def test_a_mistyped_number_is_told_at_the_counter(gate: RunningGateway, number: str) -> None:
    answer = gate.officer("operator").call("POST", "/v1/identity/counter/codes", json={"identity_number": number})
    assert (answer.status, answer.body["code"]) == (400, "INPUT_INVALID")


@pytest.mark.parametrize("who", ["first", "watcher"])
def test_only_the_centre_keeps_the_counter(gate: RunningGateway, who: str) -> None:
    answer = gate.officer(who).call("POST", "/v1/identity/counter/codes", json={"identity_number": WANG})
    assert (answer.status, answer.body["code"]) == (403, "ROLE_NOT_ALLOWED")


def test_a_legal_representative_acts_for_the_company_until_it_ends(gate: RunningGateway) -> None:
    refused = _exchange(gate, _code(gate), uscc=COMPANY)
    assert (refused.status, refused.body["code"]) == (403, "NOT_REPRESENTATIVE")
    recorded = _represent(gate, capacity="legal_representative")
    assert recorded.status == 202, recorded.body
    assert _exchange(gate, _code(gate), uscc=COMPANY).body["code"] == "NOT_REPRESENTATIVE"
    assert decide(gate, recorded, "watcher").status == 200
    answer = _exchange(gate, _code(gate), uscc=COMPANY)
    claims = _claims(answer)
    company = gate.subject_key.subject_ref("uscc", COMPANY)
    assert (claims["sub"], claims["org"]) == (company, COMPANY)
    wang = gate.subject_key.subject_ref("identity_number", WANG)
    assert (claims["act"], claims["capacity"]) == ({"sub": wang}, "legal_representative")
    agent = _agent(gate, OTHER)
    agents_claims = _claims(agent)
    assert agents_claims["act"] == {"sub": gate.subject_key.subject_ref("identity_number", OTHER)}
    today = SystemClock().today().isoformat()
    assert (agents_claims["capacity"], agents_claims["authorized_until"]) == ("agent", today)
    [event] = [e for e in gate.grpc_upstream.acts("citizen.identified") if e["request_id"] == agent.request_id]
    assert (event["actor"]["represented_by"], event["actor"]["capacity"]) == (agents_claims["act"]["sub"], "agent")
    path = "/v1/identity/representations"
    listed = gate.officer("watcher").get(f"{path}?uscc={COMPANY}")["representations"]
    assert [r["capacity"] for r in listed] == ["legal_representative", "agent"]
    assert (listed[0]["recorded_by"], listed[0]["approved_by"]) == ("officer:operator", "officer:watcher")
    assert gate.edge.call("GET", "/v1/me/records", answer.body["access_token"]).status == 200
    assert gate.officer("operator").call("DELETE", f"{path}/{listed[0]['representation_id']}").status == 200
    assert gate.edge.call("GET", "/v1/me/records", answer.body["access_token"]).status == 401
    assert _exchange(gate, _code(gate), uscc=COMPANY).status == 403
    # The other representative goes on.
    assert gate.edge.call("GET", "/v1/me/records", agent.body["access_token"]).status == 200
    assert gate.officer("operator").call("DELETE", f"{path}/{listed[1]['representation_id']}").status == 200
    assert gate.edge.call("GET", "/v1/me/records", agent.body["access_token"]).status == 401


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"uscc": COMPANY[:-1] + "D"}, "uscc"),
        ({"uscc": "0" * 18}, "uscc"),
        ({"identity_number": WANG[:-1] + ("1" if WANG[-1] != "1" else "2")}, "identity_number"),
        ({"document": "passport"}, "identity_number"),
        # Of an agent only.
        ({"until": "2126-11-29"}, "until"),
    ],
)
def test_a_representation_names_what_can_be(gate: RunningGateway, wrong: dict[str, str], field: str) -> None:
    refused = _represent(gate, capacity="legal_representative", **wrong)
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, field)


def test_an_agent_needs_an_authorization_that_has_not_expired(gate: RunningGateway) -> None:
    today = SystemClock().today()
    for wrong in (
        {"until": today.isoformat()},
        {"authorization": "授权〔2026〕1号"},
        {"authorization": "授权〔2026〕1号", "until": (today - timedelta(days=1)).isoformat()},
        {"authorization": "授权〔2026〕1号", "until": "tomorrow"},
        {"authorization": "授权〔2026〕1号", "until": (latest_end(today) + timedelta(days=1)).isoformat()},
        {"authorization": "授权〔2026〕1号", "until": "2126-11-29"},
    ):
        assert _represent(gate, capacity="agent", **wrong).status == 400
    recorded = _represent(gate, capacity="agent", authorization="授权〔2026〕1号", until=today.isoformat())
    assert (recorded.status, decide(gate, recorded, "watcher").status) == (202, 200)
    assert _claims(_exchange(gate, _code(gate), uscc=COMPANY))["org"] == COMPANY
    client: MongoClient[dict[str, Any]] = MongoClient(gate.environment["CHENGXIN_MONGO_URI"])
    yesterday = (today - timedelta(days=1)).isoformat()
    client["gateway"]["representations"].update_one({"uscc": COMPANY}, {"$set": {"until": yesterday}})
    client.close()
    assert _exchange(gate, _code(gate), uscc=COMPANY).body["code"] == "NOT_REPRESENTATIVE"
