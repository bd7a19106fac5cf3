"""Steps of `chengxin tour`: a citizen's consent, and its end."""

from typing import Any

import jwt

from chengxin.auth.access_tokens import CONSENT_CODE, TOKEN_EXCHANGE
from chengxin.values.clock import SystemClock
from chengxin_api.disclosure.v1 import disclosure_pb2
from chengxin_cli.gateway_client import Caller
from chengxin_cli.tour.frame import Tour, expect, expect_refusal


def a_citizen_lets_a_bank_ask(tour: Tour) -> dict[str, Any]:
    """The citizen consents to a bank; with the citizen's code the bank sees the entries that the consent names."""
    li_na: Caller = tour.kept["li_na"]
    terms = {
        "grantee": _organisation(tour.machine("bank", scope="public")),
        "purpose": "loan_application",
        "entries": ["SBJF", "XKGR"],
        "valid_to": SystemClock().today().isoformat(),
    }
    consent = li_na.post("/v1/me/consents", terms)
    tour.kept["consent_id"] = consent["consent_id"]
    code = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": CONSENT_CODE, "subject_token": consent["code"]}
    agency_refusal = expect_refusal(tour.machine("credit_agency", **code).token)
    tour.kept["bank"] = bank = tour.machine("bank", **code)
    claims = _claims(bank)
    expect(claims["roles"] == ["subject_authorized"], f"roles are {claims['roles']}")
    expect(claims["consent_id"] == consent["consent_id"], "the token names another consent")
    answer = bank.call("POST", "/v1/authorized/queries", json={})
    expect(answer.status == 200 and answer.body["records"], f"{answer.status} {answer.body}")
    entries = {r["entry_code"] for r in answer.body["records"]}
    expect(entries <= set(terms["entries"]), f"the bank sees {entries}")
    tour.acts["record.queried.authorized"] = answer.request_id
    return {"records": len(answer.body["records"]), "to another": agency_refusal.params["reason"][:60]}


def a_consent_is_withdrawn(tour: Tour) -> dict[str, Any]:
    """The citizen takes the consent back: the token that the bank already holds is refused."""
    bank: Caller = tour.kept["bank"]
    withdrawn = tour.kept["li_na"].call("DELETE", f"/v1/me/consents/{tour.kept['consent_id']}")
    expect(withdrawn.status == 200, f"{withdrawn}")
    tour.acts["consent.withdrawn"] = withdrawn.request_id
    over_http = bank.call("POST", "/v1/authorized/queries", json={})
    expect(over_http.status == 403, f"the bank still gets {over_http.status}")
    over_grpc = expect_refusal(lambda: bank.rpc("DisclosureService/Query", disclosure_pb2.QueryRequest()))
    codes = {over_http.body["code"], over_grpc.code}
    expect(codes == {"CONSENT_WITHDRAWN"}, f"{codes}")
    return {"refused with": "CONSENT_WITHDRAWN", "edges": 2}


def _claims(caller: Caller) -> dict[str, Any]:
    return dict(jwt.decode(caller.token(), options={"verify_signature": False}))


def _organisation(caller: Caller) -> str:
    return str(_claims(caller)["org"])
