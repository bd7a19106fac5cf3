"""Signed amendments and revocations (Art. 11, 12): the provider signs exactly the change, and gets a receipt for it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jwt
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.auth.access_tokens import load_private_key
from chengxin.errors import Problem
from chengxin.values.jwk import public_jwk
from chengxin.values.provider_statement import ChangeStatement, change_statement, read_signed, sign, statement
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from chengxin_cli import main
from chengxin_cli.commands.receipt import ReceiptRefused, verify_provider_statement
from chengxin_cli.commands.record import ask, receipt_of, versions
from chengxin_cli.gateway_client import Caller, Edge
from chengxin_cli.suite.home import make_private_key
from tests.ingest.deliveries import licence, visible
from tests.ingest.running_ingest import HOUSING, IngestCaller, RunningIngest
from tests.ingest.test_signed_deliveries import KEY, agrees, approves
from tests.support import until

REQUEST = "a-random-request-id"
AMENDED = ChangeStatement(REQUEST, "许可事项变更", "演更字〔2026〕1号", "2026-11-20", items=licence(XK_NR="餐饮服务"))
REVOKED = ChangeStatement(REQUEST, "决定被撤销", "演撤字〔2026〕1号", "2026-11-20")


@pytest.fixture
def provider(ingest: RunningIngest) -> IngestCaller:
    """The regulator, with a token by the key that it signs with."""
    return ingest.caller(client_key=public_jwk(KEY)["kid"])


@pytest.fixture
def record_id(provider: IngestCaller) -> str:
    """A recorded licence."""
    return str(provider.submits_batch(licence()).outcomes[0].record_id)


def word(asked: ChangeStatement, record: str, version: int = 1, key: Ed25519PrivateKey = KEY, **changes: Any) -> str:
    """The provider's signature on a change."""
    says = change_statement(asked, record, version) | changes
    return sign({name: value for name, value in says.items() if value is not None}, key)


def by_grpc(caller: IngestCaller, asked: ChangeStatement, record_id: str, version: int = 1, signature: str = "") -> Any:
    method, request = ("Revoke", pb.RevokeRequest) if asked.items is None else ("Amend", pb.AmendRequest)
    fields = {name: value for name, value in vars(asked).items() if value is not None}
    what = {"record_id": record_id, "based_on_version": version, "signature": signature}
    return caller.rpc(method, request(**fields, **what))


def by_http(caller: IngestCaller, asked: ChangeStatement, record_id: str, version: int = 1, signature: str = "") -> Any:
    path = f"/v1/records/{record_id}/{'revocation' if asked.items is None else 'amendments'}"
    body = {name: value for name, value in vars(asked).items() if value is not None and name != "request_id"}
    body |= {"based_on_version": version, "signature": signature}
    return caller.client.post(path, json=body, headers=caller.headers | {"Idempotency-Key": asked.request_id})


def refused(call: Any, *arguments: Any, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments, **options)
    return caught.value


def says_of(caller: IngestCaller, jws: str) -> dict[str, Any]:
    """What a receipt says, verified by the published key."""
    [jwk] = caller.get("/v1/submissions/keys").json["keys"]
    return dict(jwt.decode(jws, jwt.PyJWK(jwk).key, algorithms=["EdDSA"]))


@pytest.mark.parametrize("asked", [AMENDED, REVOKED])
def test_both_words_are_on_the_receipt_of_a_change(
    ingest: RunningIngest, provider: IngestCaller, record_id: str, asked: ChangeStatement
) -> None:
    signature = word(asked, record_id)
    outcome = by_grpc(provider, asked, record_id, signature=signature)
    says = says_of(provider, outcome.receipt)
    assert {name: says[name] for name in change_statement(asked, record_id, 1)} == change_statement(asked, record_id, 1)
    assert (says["version"], says["outcome"], says["recorded_at"]) == (
        2,
        "amended" if asked.items else "revoked",
        "2026-11-24T04:00:00.000000Z",
    )
    assert says["provider_signature"] == signature
    assert read_signed(signature).kid == public_jwk(KEY)["kid"]
    # The same request again has the same answer, also by the other face, and the record shows the signature.
    again = by_http(provider, asked, record_id, signature=signature)
    assert (again.status_code, again.json["receipt"], again.json["version"]) == (200, outcome.receipt, 2)
    for caller in (provider, ingest.centre):
        first, second = caller.get(f"/v1/records/{record_id}").json["versions"]
        assert (first["receipt"], first["signed_by"]) == ("", "")
        assert (second["receipt"], second["signed_by"]) == (outcome.receipt, public_jwk(KEY)["kid"])
    until(lambda: ingest.audit.of(f"record.{says['outcome']}"), "the relay delivers")
    assert [e["details"]["signed"] for e in ingest.audit.of(f"record.{says['outcome']}")] == [True]


def test_the_store_does_not_tell_a_digest_of_items(
    ingest: RunningIngest, provider: IngestCaller, record_id: str
) -> None:
    by_grpc(provider, AMENDED, record_id, signature=word(AMENDED, record_id))
    kept = ingest.ctx.store.record(record_id)
    assert kept is not None
    assert kept["receipt"].startswith("enc:")


def test_the_receipt_of_an_unsigned_change_is_for_its_provider(
    ingest: RunningIngest, provider: IngestCaller, record_id: str
) -> None:
    outcome = by_grpc(provider, AMENDED, record_id)
    assert "provider_signature" not in says_of(provider, outcome.receipt)
    assert provider.get(f"/v1/records/{record_id}").json["versions"][1]["receipt"] == outcome.receipt
    assert ingest.centre.get(f"/v1/records/{record_id}").json["versions"][1]["receipt"] == ""
    # The signature belongs to that version: the next version has its own.
    by_grpc(provider, replace(REVOKED, request_id="another-request-id"), record_id, version=2)
    [_, second, third] = provider.get(f"/v1/records/{record_id}").json["versions"]
    assert second["receipt"] == outcome.receipt != third["receipt"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"act": "revocation"}, "SIGNATURE_DIFFERS"),
        ({"record_id": "r_another"}, "SIGNATURE_DIFFERS"),
        ({"based_on_version": 2}, "SIGNATURE_DIFFERS"),
        ({"content_sha256": "0" * 64}, "SIGNATURE_DIFFERS"),
        ({"content_sha256": None}, "SIGNATURE_INVALID"),
        ({"based_on_version": None}, "SIGNATURE_INVALID"),
        ({"amount": 1}, "SIGNATURE_INVALID"),
    ],
)
def test_a_word_on_something_else_is_refused(
    ingest: RunningIngest, provider: IngestCaller, record_id: str, changes: dict[str, Any], code: str
) -> None:
    signature = word(AMENDED, record_id, **changes)
    assert refused(by_grpc, provider, AMENDED, record_id, signature=signature).code == code
    assert by_http(provider, AMENDED, record_id, signature=signature).json["code"] == code
    assert ingest.ctx.store.record(record_id)["version"] == 1


@pytest.mark.parametrize(
    "altered",
    [
        {"items": licence(XK_NR="餐饮服务", XK_FRDB="李强")},
        {"reason": "另一理由"},
        {"document_number": "演更字〔2026〕2号"},
        {"effective_date": "2026-11-19"},
        {"objection_no": "YY-20261124-0001"},
        {"request_id": "some-other-request"},
    ],
)
def test_a_change_altered_after_it_was_signed_is_refused(
    ingest: RunningIngest, provider: IngestCaller, record_id: str, altered: dict[str, Any]
) -> None:
    signature = word(AMENDED, record_id)
    problem = refused(by_grpc, provider, replace(AMENDED, **altered), record_id, signature=signature)
    assert (problem.code, problem.params["field"]) == ("SIGNATURE_DIFFERS", "content_sha256")
    assert ingest.ctx.store.record(record_id)["version"] == 1


def test_a_signed_revocation_is_no_amendment_and_the_other_way_round(provider: IngestCaller, record_id: str) -> None:
    signature = word(AMENDED, record_id)
    assert refused(by_grpc, provider, replace(AMENDED, items=None), record_id, signature=signature).code == (
        "SIGNATURE_DIFFERS"
    )
    delivery = sign(statement("a-delivery", "XZXK", 1, "0" * 64), KEY)
    assert refused(by_grpc, provider, REVOKED, record_id, signature=delivery).code == "SIGNATURE_INVALID"


def test_the_word_of_another_key_is_refused(ingest: RunningIngest, provider: IngestCaller, record_id: str) -> None:
    other = Ed25519PrivateKey.generate()
    problem = refused(by_grpc, provider, AMENDED, record_id, signature=word(AMENDED, record_id, key=other))
    assert problem.code == "SIGNATURE_INVALID"
    # Nor may a caller without that key use the signature; an officer's token names no key.
    for caller in (ingest.regulator, ingest.caller(client_id="", sub="officer:regulator")):
        problem = refused(by_grpc, caller, AMENDED, record_id, signature=word(AMENDED, record_id))
        assert problem.code == "SIGNATURE_INVALID"
    stranger = ingest.caller(org=HOUSING, client_key=public_jwk(other)["kid"])
    problem = refused(by_grpc, stranger, AMENDED, record_id, signature=word(AMENDED, record_id, key=other))
    assert problem.code == "RECORD_NOT_YOURS"
    assert ingest.ctx.store.record(record_id)["version"] == 1


def test_a_signed_change_is_good_once(ingest: RunningIngest, provider: IngestCaller, record_id: str) -> None:
    for short in (replace(AMENDED, request_id=""), replace(AMENDED, request_id="short")):
        problem = refused(by_grpc, provider, short, record_id, signature=word(short, record_id))
        assert (problem.code, "request_id" in problem.params["reason"]) == ("SIGNATURE_INVALID", True)
    problem = refused(by_grpc, provider, AMENDED, record_id, 0, signature=word(AMENDED, record_id, 0))
    assert "based_on_version" in problem.params["reason"]
    by_grpc(provider, AMENDED, record_id, signature=word(AMENDED, record_id))
    # Another client of the provider by the same key, to whom the request is new.
    again = ingest.caller(client_id="client:another", client_key=public_jwk(KEY)["kid"])
    problem = refused(by_grpc, again, AMENDED, record_id, signature=word(AMENDED, record_id))
    assert (problem.code, problem.params["current"]) == ("RECORD_CHANGED_SINCE", "2")
    assert ingest.ctx.store.record(record_id)["version"] == 2


def test_where_the_agreement_says_so_no_change_comes_in_unsigned(
    ingest: RunningIngest, provider: IngestCaller, record_id: str
) -> None:
    agrees(ingest, True)
    for asked in (AMENDED, REVOKED):
        problem = refused(by_grpc, provider, asked, record_id)
        assert (problem.code, problem.params["document"]) == ("SIGNATURE_REQUIRED", "归集协议 2026-7")
        answer = by_http(provider, asked, record_id)
        assert (answer.status_code, answer.json["code"]) == (409, "SIGNATURE_REQUIRED")
    assert ingest.ctx.store.record(record_id)["version"] == 1
    # What the centre corrects for an objection is no act of the provider.
    corrected = replace(AMENDED, objection_no="YY-20261124-0007", items=visible(XK_NR="餐饮服务"))
    approves(ingest, by_grpc(ingest.centre, corrected, record_id).proposal_id)
    [_, version] = provider.get(f"/v1/records/{record_id}").json["versions"]
    assert "provider_signature" not in says_of(provider, version["receipt"])
    signature = word(REVOKED, record_id, 2)
    assert by_http(provider, REVOKED, record_id, 2, signature).json["outcome"] == "revoked"


def test_what_says_nothing_new_is_receipted_too(provider: IngestCaller, record_id: str) -> None:
    same = replace(AMENDED, items=licence())
    outcome = by_grpc(provider, same, record_id, signature=word(same, record_id))
    says = says_of(provider, outcome.receipt)
    assert (says["outcome"], says["based_on_version"], says["version"]) == ("unchanged", 1, 1)


def verify(*arguments: Any) -> Any:
    return CliRunner().invoke(main, ["receipt", "verify", *map(str, arguments)])


def test_a_provider_changes_its_record_by_the_program_and_verifies_the_receipt(
    ingest: RunningIngest, tmp_path: Path
) -> None:
    key, file, keys = tmp_path / "key.pem", tmp_path / "receipt.json", tmp_path / "jwks.json"
    make_private_key(key)
    caller = ingest.caller(client_key=public_jwk(load_private_key(key))["kid"])
    record_id = str(caller.submits_batch(licence()).outcomes[0].record_id)
    agrees(ingest, True)
    keys.write_text(caller.get("/v1/submissions/keys").text)
    token = caller.headers["Authorization"].removeprefix("Bearer ")
    provider = Caller(Edge("http://nowhere", ingest.address), lambda: token)
    for number in range(1, 4):
        current = versions(provider, record_id)[-1]
        assert current.version == number
        items = dict(current.items) | {"XK_NR": f"第{number}次变更"}
        asked = replace(AMENDED, request_id=f"random-request-{number}", items=items)
        outcome = ask(provider, record_id, current.version, asked, key)
        file.write_text(json.dumps(receipt_of(outcome.receipt, asked, json.loads(keys.read_text())["keys"])))
    done = verify(file, "--keys", keys, "--key", key)
    assert done.exit_code == 0, done.output
    assert f"amendment of record {record_id}" in done.output
    assert "from version 3 to 4" in done.output
    assert "what it holds is what was asked" in done.output
    done = verify(file, "--delivered", key)
    assert (done.exit_code, f"of a change of record {record_id}, not of a file" in done.output) == (1, True)
    told = json.loads(file.read_text())
    told["asked"]["items"]["XK_NR"] = "别的"
    file.write_text(json.dumps(told))
    done = verify(file, "--keys", keys)
    assert (done.exit_code, "content_sha256" in done.output) == (1, True)


def test_the_providers_word_must_be_about_the_change(provider: IngestCaller, record_id: str) -> None:
    outcome = by_grpc(provider, AMENDED, record_id, signature=word(AMENDED, record_id))
    says = says_of(provider, outcome.receipt)
    assert verify_provider_statement(says) == public_jwk(KEY)["kid"]
    for changes in ({"act": "revocation"}, {"record_id": "r_x"}, {"based_on_version": 3}, {"content_sha256": "0" * 64}):
        with pytest.raises(ReceiptRefused):
            verify_provider_statement(says | changes)
    with pytest.raises(ValueError, match="something else"):
        receipt_of(outcome.receipt, REVOKED, provider.get("/v1/submissions/keys").json["keys"])
