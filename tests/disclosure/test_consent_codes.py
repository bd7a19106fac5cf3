"""Codes of consents (Art. 16): what the gateway asks before it issues a token for one (RFC 8693)."""

import grpc
import pytest

from chengxin.errors import Problem
from chengxin_api.disclosure.v1 import disclosure_pb2 as pb
from tests.disclosure.running_disclosure import COMPANY, LI_NA, RunningDisclosure
from tests.disclosure.test_consents import BANK, TERMS


def code_of(city: RunningDisclosure, **terms: object) -> tuple[str, str]:
    answer = city.person().post("/v1/me/consents", TERMS | terms)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    return answer.json["consent_id"], answer.json["code"]


def resolved(city: RunningDisclosure, code: str, grantee: str = BANK, role: str = "service", client: str = "gateway"):
    request = pb.ResolveConsentRequest(code=code, grantee=grantee)
    return city.stub.ResolveConsent(request, metadata=city.metadata(role, sub=client, client_id=client), timeout=10)


def refusal(city: RunningDisclosure, *arguments: str, **named: str) -> str:
    with pytest.raises(grpc.RpcError) as refused:
        resolved(city, *arguments, **named)
    return Problem.from_rpc(refused.value).code


def test_a_code_leads_to_its_consent(city: RunningDisclosure) -> None:
    consent_id, code = code_of(city)
    found = resolved(city, code)
    assert (found.consent_id, found.purpose) == (consent_id, "loan_application")
    [event] = city.audit.of("consent.resolved")
    assert event["outcome"] == "ok"
    assert event["details"] == {"grantee": BANK, "consent_id": consent_id}
    assert event["subject_refs"] == [city.ref(LI_NA)]


def test_a_code_is_kept_as_a_digest_only(city: RunningDisclosure) -> None:
    code = city.person().post("/v1/me/consents", TERMS, **{"Idempotency-Key": "k"}).json["code"]
    rows = [row for name in ("consents", "idempotency") for row in city.ctx.store.store.db[name].find()]
    assert len(rows) == 2
    assert code not in str(rows)
    assert code not in str(city.audit.events)


def test_resolving_uses_nothing_up(city: RunningDisclosure) -> None:
    _, code = code_of(city, uses=1)
    assert resolved(city, code) == resolved(city, code)


def test_a_code_in_other_hands_is_refused_and_on_record(city: RunningDisclosure) -> None:
    consent_id, code = code_of(city)
    other = COMPANY
    assert refusal(city, code, other) == "CONSENT_OTHER_GRANTEE"
    [event] = city.audit.of("consent.resolved")
    assert event["outcome"] == "refused"
    assert event["details"] == {"grantee": other, "consent_id": consent_id, "code": "CONSENT_OTHER_GRANTEE"}


@pytest.mark.parametrize("code", ["", "consent-code_x", "x" * 10_000])
def test_a_guess_is_refused(city: RunningDisclosure, code: str) -> None:
    code_of(city)
    assert refusal(city, code) == "CONSENT_CODE_UNKNOWN"
    assert city.audit.of("consent.resolved")[0]["details"]["code"] == "CONSENT_CODE_UNKNOWN"


def test_a_withdrawn_consents_code_is_dead(city: RunningDisclosure) -> None:
    consent_id, code = code_of(city)
    city.person().delete(f"/v1/me/consents/{consent_id}")
    assert refusal(city, code) == "CONSENT_WITHDRAWN"
    assert city.person().post(f"/v1/me/consents/{consent_id}/code", {}).json["code"] == "CONSENT_WITHDRAWN"


def test_a_consent_out_of_its_days_or_uses_gives_nothing(city: RunningDisclosure) -> None:
    _, coming = code_of(city, valid_from="2026-11-25")
    assert refusal(city, coming) == "CONSENT_NOT_IN_TIME"
    consent_id, once = code_of(city, uses=1)
    bank = {"sub": "bank", "org": BANK, "consent_id": consent_id, "purpose": "loan_application"}
    assert city.caller("subject_authorized", **bank).post("/v1/authorized/queries", {}).status_code == 200
    assert refusal(city, once) == "CONSENT_USED_UP"


def test_another_code_replaces_the_one_before(city: RunningDisclosure) -> None:
    consent_id, first = code_of(city)
    second = city.person().post(f"/v1/me/consents/{consent_id}/code", {}).json["code"]
    assert refusal(city, first) == "CONSENT_CODE_UNKNOWN"
    assert resolved(city, second).consent_id == consent_id
    stranger = city.caller("subject", sub="s_stranger")
    assert stranger.post(f"/v1/me/consents/{consent_id}/code", {}).json["code"] == "CONSENT_ABSENT"


@pytest.mark.parametrize(
    ("role", "client", "code"),
    [("service", "objection", "NOT_THE_GATEWAY"), ("agency", "gateway", "ROLE_NOT_ALLOWED")],
)
def test_only_the_gateway_asks(city: RunningDisclosure, role: str, client: str, code: str) -> None:
    assert refusal(city, code_of(city)[1], role=role, client=client) == code


@pytest.mark.parametrize("act", ["/v1/me/consents", "/v1/me/consents/consent_x/code"])
def test_who_is_not_verified_gives_no_consent(city: RunningDisclosure, act: str) -> None:
    unverified = city.caller("subject", sub=city.ref(LI_NA), acr="")
    answer = unverified.post(act, {})
    assert (answer.status_code, answer.json["code"]) == (403, "STEP_UP_REQUIRED")
    assert city.audit.events[-1]["details"]["code"] == "STEP_UP_REQUIRED"
    online = city.caller("subject", sub=city.ref(LI_NA), acr="oidc")
    assert online.post("/v1/me/consents", TERMS).status_code == 201
