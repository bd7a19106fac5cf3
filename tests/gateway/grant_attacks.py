"""Attacks on grants, each by a name, with the code that it is refused with: what is asked for is more than there is."""

import threading
from collections.abc import Callable

from chengxin_cli.gateway_client import HttpAnswer
from tests.gateway.conftest import BANK, RunningGateway, exchange


def _ask(client_id: str, **parameters: str) -> Callable[[RunningGateway], HttpAnswer]:
    return lambda gate: gate.ask(gate.assertion(client_id), **parameters)


def _replayed(gate: RunningGateway) -> HttpAnswer:
    assertion = gate.assertion("market_regulator")
    assert gate.ask(assertion).status == 200
    return gate.ask(assertion)


def _raced(gate: RunningGateway) -> HttpAnswer:
    """Two requests at once with one assertion: the answer to the one that loses."""
    assertion = gate.assertion("p256")
    found: list[HttpAnswer] = []
    threads = [threading.Thread(target=lambda: found.append(gate.ask(assertion))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return max(found, key=lambda answer: answer.status)


_LAW = {"legal_basis": "民事诉讼法第二百五十三条", "case_no": "1", "officer": "F1"}
# Consents as disclosure knows them: the grantee's code, and the reason why a consent is not usable.
_CONSENTS = {
    "good": (BANK, ""),
    "others": ("91000000MA0000218U", ""),
    "withdrawn": (BANK, "CONSENT_WITHDRAWN"),
    "expired": (BANK, "CONSENT_NOT_IN_TIME"),
    "used": (BANK, "CONSENT_USED_UP"),
}


def _exchange(code: str, client_id: str = "bank", **changed: str) -> Callable[[RunningGateway], HttpAnswer]:
    """The exchange of a consent code, but for changed parameters."""

    def ask(gate: RunningGateway) -> HttpAnswer:
        gate.grpc_upstream.consents.update(_CONSENTS)
        return gate.ask(gate.assertion(client_id), **(exchange(code) | changed))

    return ask


def _frozen(gate: RunningGateway) -> str:
    _suspended(gate)
    return "frozen"


# Each attack, and the code that refuses it.
GRANTS: dict[str, tuple[Callable[[RunningGateway], HttpAnswer], str]] = {
    "a replayed assertion": (_replayed, "ASSERTION_REPLAYED"),
    "a replayed assertion, at the same time": (_raced, "ASSERTION_REPLAYED"),
    "scope of another role": (_ask("market_regulator", scope="agency"), "SCOPE_NOT_ALLOWED"),
    "scope of an officer": (_ask("market_regulator", scope="supervisor"), "SCOPE_NOT_ALLOWED"),
    "scope of a service": (_ask("market_regulator", scope="service"), "SCOPE_NOT_ALLOWED"),
    "scope of a subject": (_ask("housing_bureau", scope="subject"), "SCOPE_NOT_ALLOWED"),
    "scope of a consent": (_ask("housing_bureau", scope="subject_authorized"), "SCOPE_NOT_ALLOWED"),
    "two scopes at once": (_ask("housing_bureau", scope="agency provider"), "SCOPE_NOT_ALLOWED"),
    "a purpose outside the agreement": (
        _ask("housing_bureau", scope="agency", purpose="curiosity"),
        "PURPOSE_NOT_AGREED",
    ),
    "no purpose": (_ask("housing_bureau", scope="agency"), "PURPOSE_MISSING"),
    "a legal basis that is not registered": (
        _ask("court", **(_LAW | {"legal_basis": "刑法第一条"})),
        "LEGAL_BASIS_NOT_ENTITLED",
    ),
    "a legal basis without a case": (_ask("court", **(_LAW | {"case_no": ""})), "TOKEN_REQUEST_INVALID"),
    "a legal basis by who is no court": (_ask("market_regulator", **_LAW), "TOKEN_REQUEST_INVALID"),
    "an identity number as officer": (
        _ask("court", **(_LAW | {"officer": "441702188803020023"})),
        "TOKEN_REQUEST_INVALID",
    ),
    "a service's scope with its name as client_id": (
        lambda g: g.ask(g.assertion("market_regulator"), client_id="disclosure", scope="service"),
        "CLIENT_NOT_AUTHENTICATED",
    ),
    "a password grant": (
        lambda g: g.ask(g.assertion("market_regulator"), grant_type="password"),
        "GRANT_UNSUPPORTED",
    ),
    "an authorization code": (
        lambda g: g.ask(g.assertion("market_regulator"), grant_type="authorization_code", code="x"),
        "GRANT_UNSUPPORTED",
    ),
    "an exchange of an access token": (
        lambda g: g.ask(
            g.assertion("market_regulator"),
            grant_type="urn:ietf:params:oauth:grant-type:token-exchange",
            subject_token=g.token("housing_bureau", scope="provider"),
            subject_token_type="urn:ietf:params:oauth:token-type:access_token",
        ),
        "TOKEN_REQUEST_INVALID",
    ),
    "a consent's role without a consent": (_ask("bank", scope="subject_authorized"), "TOKEN_REQUEST_INVALID"),
    "a consent code by who holds no such role": (_exchange("good", "market_regulator"), "EXCHANGE_NOT_ALLOWED"),
    "a consent code by a suspended client": (lambda g: _exchange("good", _frozen(g))(g), "CLIENT_SUSPENDED"),
    "a consent code that nobody gave": (_exchange("guessed"), "CONSENT_CODE_UNKNOWN"),
    "a consent code of another grantee": (_exchange("others"), "CONSENT_OTHER_GRANTEE"),
    "a consent code of a withdrawn consent": (_exchange("withdrawn"), "CONSENT_WITHDRAWN"),
    "a consent code of an expired consent": (_exchange("expired"), "CONSENT_NOT_IN_TIME"),
    "a consent code of a used-up consent": (_exchange("used"), "CONSENT_USED_UP"),
    "a consent code for another role": (_exchange("good", scope="public"), "SCOPE_NOT_ALLOWED"),
    "a consent code for two roles": (_exchange("good", scope="subject_authorized agency"), "SCOPE_NOT_ALLOWED"),
    "a consent code for a subject's role": (_exchange("good", scope="subject"), "SCOPE_NOT_ALLOWED"),
    "a consent code for another purpose": (_exchange("good", purpose="marketing"), "TOKEN_REQUEST_INVALID"),
    "a consent code with a legal basis": (_exchange("good", **_LAW), "TOKEN_REQUEST_INVALID"),
    "a consent code as another kind of token": (
        _exchange("good", subject_token_type="urn:ietf:params:oauth:token-type:jwt"),
        "TOKEN_REQUEST_INVALID",
    ),
    "a consent code for a refresh token": (
        _exchange("good", requested_token_type="urn:ietf:params:oauth:token-type:refresh_token"),
        "TOKEN_REQUEST_INVALID",
    ),
    "a consent code for another audience": (_exchange("good", audience="other"), "TARGET_NOT_OFFERED"),
    "a consent code on behalf of somebody": (_exchange("good", actor_token="x"), "TOKEN_REQUEST_INVALID"),
    "a consent code without an assertion": (_exchange("good", client_assertion=""), "CLIENT_NOT_AUTHENTICATED"),
    "a consent code with another's assertion": (
        lambda g: g.ask(g.assertion("court"), client_id="bank", **exchange("good")),
        "CLIENT_NOT_AUTHENTICATED",
    ),
    "an oversized consent code": (_exchange("x" * 10_000), "TOKEN_REQUEST_INVALID"),
    "no consent code": (_exchange(""), "TOKEN_REQUEST_INVALID"),
    "a SAML assertion": (
        lambda g: g.ask(
            g.assertion("market_regulator"),
            client_assertion_type="urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        ),
        "CLIENT_NOT_AUTHENTICATED",
    ),
    "an assertion of a suspended client": (lambda g: _suspended(g), "CLIENT_SUSPENDED"),
}


def _suspended(gate: RunningGateway) -> HttpAnswer:
    gate.officer("first").call("POST", "/v1/identity/clients/frozen/suspend")
    return gate.ask(gate.assertion("frozen"))
