"""A client generated from the published description walks the tour over HTTP."""

import base64
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chengxin.auth.access_tokens import ASSERTION_TYPE, CONSENT_CODE, TOKEN_EXCHANGE, TokenSource, load_private_key
from chengxin.tlog import merkle
from chengxin.values.clock import SystemClock
from chengxin.values.ids import new_id
from tests.city import City
from tests.e2e.generated_client import GeneratedClient, generate
from tests.support import until

pytestmark = pytest.mark.long
_PACKAGE = "generated_chengxin"


@pytest.fixture(scope="module")
def anybody(city: City, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GeneratedClient]:
    """The generated client of somebody without a token."""
    directory: Path = tmp_path_factory.mktemp("generated")
    generate(city.edge, directory, _PACKAGE)
    sys.path.insert(0, str(directory))
    yield GeneratedClient(_PACKAGE, city.edge.http)
    sys.path.remove(str(directory))


@pytest.fixture(scope="module")
def machine(city: City, anybody: GeneratedClient) -> Callable[..., GeneratedClient]:
    """The generated client of an organisation's system, with a token that it obtained itself."""

    def obtain(organisation: str, **parameters: str) -> GeneratedClient:
        known = city.people["clients"][organisation]
        key = load_private_key(city.home / "demo" / known["key_file"])
        address = f"{city.edge.http}/oauth/token"
        proof = TokenSource(address, address, known["client_id"], key).assertion()
        form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE} | parameters
        body = anybody.model("TokenForm", client_assertion=proof, **form)
        token = anybody.ask("tokens.token_oauth_token_post", body=body).access_token
        return GeneratedClient(_PACKAGE, city.edge.http, lambda: token)

    return obtain


def _citizen(city: City, anybody: GeneratedClient, name: str, uscc: str = "") -> GeneratedClient:
    proof = city.people["citizens"][name]
    body = anybody.model("DemoProof", name=proof["name"], identity_number=proof["identity_number"], uscc=uscc)
    token = anybody.ask("identity.demo_v1_identity_demo_post", body=body).access_token
    return GeneratedClient(_PACKAGE, city.edge.http, lambda: token)


def _delivered(city: City, anybody: GeneratedClient, provider: GeneratedClient, document: str) -> Any:
    """A record that a clerk uploaded, as the public sees it."""
    row = city.people["licence"] | {"XK_WSH": document, "XK_NR": "食品经营（含网络经营）"}
    table = "\r\n".join([",".join(row), ",".join(row.values())]) + "\r\n"
    form = provider.upload("UploadForm", ("licences.csv", table.encode("gb18030"), "text/csv"), catalog="XZXK")
    taken = provider.ask("submissions.deliver_v1_submissions_post", body=form, status=201)
    assert taken.counts.accepted == 1
    return until(lambda: _public(city, anybody, document), "the record is public")


def _public(city: City, anybody: GeneratedClient, document: str) -> Any:
    search = "public.search_v1_public_subjects_get"
    for subject in anybody.ask(search, q=city.people["licence"]["XK_XDR_SHXYM"]).subjects:
        page = "public.subject_v1_public_subjects_subject_ref_get"
        for record in anybody.ask(page, subject.subject_ref, page_size=200).records:
            if record.items.additional_properties.get("XK_WSH") == document:
                return record
    return None


def test_the_catalog_and_the_keys_are_read_by_anybody(anybody: GeneratedClient) -> None:
    assert len(anybody.ask("catalog.entries_v1_catalog_entries_get", page_size=200).entries) >= 14
    told = anybody.ask("tokens.metadata_well_known_oauth_authorization_server_get")
    assert "private_key_jwt" in told.token_endpoint_auth_methods_supported
    assert anybody.ask("tokens.jwks_well_known_jwks_json_get").keys


def test_a_refusal_is_one_problem_document(anybody: GeneratedClient, machine: Callable[..., GeneratedClient]) -> None:
    provider = machine("market_regulator", scope="provider")
    refused = provider.ask("own.own_v1_me_records_get", status=403)
    assert (refused.code, refused.status) == ("ROLE_NOT_ALLOWED", 403)
    body = provider.model("AmendmentBody", reason="x", items={}, based_on_version=-1)
    wrong = provider.ask("records.amend_v1_records_record_id_amendments_post", "r_1", body=body, status=400)
    assert wrong.errors[0].field == "based_on_version"


def test_an_agency_names_its_purpose_and_the_citizen_sees_it(
    city: City, anybody: GeneratedClient, machine: Callable[..., GeneratedClient]
) -> None:
    agency = machine("housing_bureau", scope="agency", purpose="qualification_review")
    subject = {"identity_number": city.people["citizens"]["li_na"]["identity_number"]}
    body = agency.model("QueryBody", subject=subject)
    assert until(lambda: agency.ask("queries.shared_v1_shared_queries_post", body=body).records, "shared records")
    li_na = _citizen(city, anybody, "li_na")
    assert li_na.ask("own.own_v1_me_records_get").records
    accesses = li_na.ask("audit.accesses_v1_me_accesses_get").accesses
    assert any(access.purpose == "qualification_review" for access in accesses)


def test_a_consent_opens_records_and_its_end_closes_them(
    city: City, anybody: GeneratedClient, machine: Callable[..., GeneratedClient]
) -> None:
    li_na = _citizen(city, anybody, "li_na")
    bank = machine("bank", scope="public").ask("identity_clients.read_own_client_v1_identity_clients_me_get")
    terms = {"grantee": bank.org, "purpose": "loan_application", "valid_to": SystemClock().today().isoformat()}
    given = li_na.ask("own.give_v1_me_consents_post", body=li_na.model("ConsentBody", **terms), status=201)
    exchange = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": CONSENT_CODE, "subject_token": given.code}
    grantee = machine("bank", **exchange)
    nothing = grantee.model("QueryBody")
    assert grantee.ask("queries.authorized_v1_authorized_queries_post", body=nothing).records
    li_na.ask("own.withdraw_v1_me_consents_consent_id_delete", given.consent_id)
    refused = grantee.ask("queries.authorized_v1_authorized_queries_post", body=nothing, status=403)
    assert refused.code == "CONSENT_WITHDRAWN"


def test_an_objection_ends_in_a_correction_that_is_public_and_on_record(
    city: City, anybody: GeneratedClient, machine: Callable[..., GeneratedClient]
) -> None:
    provider = machine("market_regulator", scope="provider")
    document = f"演许字〔2026〕{new_id('gen')[-10:]}号"
    record = _delivered(city, anybody, provider, document)
    owner = city.people["citizens"]["wang_qiang"]
    company = _citizen(city, anybody, "wang_qiang", owner["represents"][0])
    evidence = {"name": "a.txt", "content_type": "text/plain", "content": base64.b64encode("许可证".encode()).decode()}
    words = {"record_id": record.record_id, "items": ["XK_NR"], "statement": "许可内容不符", "evidence": [evidence]}
    # The objection service learns of new records from the feed.
    until(lambda: _known(company, record.record_id, words), "the record can be objected to")
    number = company.ask("objections.own_v1_me_objections_get").objections[0].objection_no
    centre = GeneratedClient(_PACKAGE, city.edge.http, city.centre.token)
    centre.ask("objections_centre.accept_v1_objections_objection_no_accept_post", number)
    finding = centre.model("VerificationBody", finding="consistent_with_source", note="与来源一致")
    centre.ask("objections_centre.verify_v1_objections_objection_no_verify_post", number, body=finding)
    _correct(city, provider, record.record_id, document, number)
    decide = "objections_centre.decide_v1_objections_objection_no_decide_post"
    decision = centre.model("DecisionBody", outcome="corrected", explanation="已更正")
    until(lambda: _answered(centre, decide, number, decision), "the correction reaches the objection service")
    shown = until(lambda: _public(city, anybody, document), "the correction is public")
    until(lambda: _shows_correction(city, anybody, document), "the page shows the correction")
    assert shown.record_id == record.record_id
    _prove(city)


def _known(company: GeneratedClient, record_id: str, words: dict[str, Any]) -> bool:
    filed = company.ask("objections.own_v1_me_objections_get").objections
    if any(case.record_id == record_id for case in filed):
        return True
    _answered(company, "objections.file_v1_me_objections_post", company.model("FilingBody", **words), status=201)
    return False


def _answered(client: GeneratedClient, operation: str, *path_and_body: Any, status: int = 200) -> bool:
    *path, body = path_and_body
    try:
        client.ask(operation, *path, body=body, status=status)
    except AssertionError:
        return False
    return True


def _correct(city: City, provider: GeneratedClient, record_id: str, document: str, number: str) -> None:
    tasks = provider.ask("objections_provider.tasks_v1_objections_tasks_get", open_only=True, page_size=200).tasks
    assert any(task.objection_no == number for task in tasks)
    items = city.people["licence"] | {"XK_WSH": document, "XK_NR": "食品经营（不含网络经营）"}
    change = {
        "items": items,
        "reason": "异议核查后更正",
        "objection_no": number,
        "document_number": "演更字〔2026〕1号",
    }
    change["effective_date"] = SystemClock().today().isoformat()
    body = provider.model("AmendmentBody", **change)
    amend = "records.amend_v1_records_record_id_amendments_post"
    assert provider.ask(amend, record_id, body=body, idempotency_key=new_id("k")).outcome == "amended"
    answer = provider.model("AnswerBody", finding="wrong", evidence="录入错误")
    provider.ask("objections_provider.answer_task_v1_objections_objection_no_answer_post", number, body=answer)


def _shows_correction(city: City, anybody: GeneratedClient, document: str) -> bool:
    return _public(city, anybody, document).items.additional_properties["XK_NR"] == "食品经营（不含网络经营）"


def _prove(city: City) -> None:
    """The supervisor finds the decision on record, with a proof that it is in the log."""
    supervisor = GeneratedClient(_PACKAGE, city.edge.http, city.supervisor.token)
    events = "audit.events_v1_audit_events_get"
    [event] = until(lambda: supervisor.ask(events, act="objection.decided", page_size=1).events, "on record")
    inclusion = "audit.inclusion_v1_audit_proofs_inclusion_get"
    proof = until(lambda: _proof(supervisor, inclusion, event.index), "the event is under a checkpoint")
    path = [bytes.fromhex(part) for part in proof.path]
    leaf, root = bytes.fromhex(proof.leaf_hash), bytes.fromhex(proof.root_hash)
    assert merkle.verify_inclusion(proof.index, proof.tree_size, leaf, path, root)


def _proof(supervisor: GeneratedClient, operation: str, index: int) -> Any:
    try:
        return supervisor.ask(operation, index=index)
    except AssertionError:
        return None
