"""Signed deliveries: only the provider's signature on the delivered records counts; both verify offline."""

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm

from chengxin.errors import Problem
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.jwk import public_jwk, thumbprint
from chengxin.values.provider_statement import TYPE, digest_of, read_signed, sign, statement
from chengxin_api.ingest.v1 import ingest_pb2 as pb
from tests.ingest.deliveries import REGULATOR, licence, licences
from tests.ingest.files import table
from tests.ingest.running_ingest import HOUSING, IngestCaller, RunningIngest, stream
from tests.support import until

KEY = Ed25519PrivateKey.generate()


def refused(call: Any, *arguments: Any, **options: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(*arguments, **options)
    return caught.value


@pytest.fixture
def provider(ingest: RunningIngest) -> IngestCaller:
    """The regulator, with a token by the key that it signs with."""
    return ingest.caller(client_key=public_jwk(KEY)["kid"])


def word(name: str, records: list[dict[str, str]], batch: int = 10, **changes: Any) -> str:
    """The regulator's signature on records in batches."""
    rows = [*enumerate(records, 1)]
    count, content = digest_of(rows[start : start + batch] for start in range(0, len(rows), batch))
    return sign(statement(name, "XZXK", count, content) | changes, KEY)


def test_both_words_are_on_the_receipt(ingest: RunningIngest, provider: IngestCaller) -> None:
    signature = word("signed-one", licences(25))
    receipt = provider.submits(licences(25), 10, submission_id="signed-one", record_count=25, signature=signature)
    [jwk] = provider.get("/v1/submissions/keys").json["keys"]
    says = jwt.decode(receipt.jws, jwt.PyJWK(jwk).key, algorithms=["EdDSA"])
    assert says["provider_client"] == f"client:{REGULATOR}"
    theirs = read_signed(says["provider_signature"])
    assert theirs.kid == public_jwk(KEY)["kid"]
    assert theirs.says["content_sha256"] == says["content_sha256"] == receipt.content_sha256
    kept = ingest.ctx.store.submission(f"{REGULATOR}/signed-one")
    assert kept is not None
    assert kept["signature"] == {"jws": signature, "kid": theirs.kid, "client_id": f"client:{REGULATOR}"}
    # The same delivery again gives the same receipt, signed or not.
    assert provider.submits(licences(25), 10, submission_id="signed-one", record_count=25) == receipt


def test_a_key_on_p256_signs_too(ingest: RunningIngest) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = json.loads(ECAlgorithm.to_jwk(key.public_key()))
    says = read_signed(word("p256-signed", [licence()])).says
    jws = jwt.api_jws.encode(canonical(dict(says)), key, algorithm="ES256", headers={"typ": TYPE, "jwk": jwk})
    caller = ingest.caller(client_key=thumbprint(jwk))
    assert caller.submits_batch(licence(), submission_id="p256-signed", signature=jws).receipt.counts.accepted == 1


def test_the_word_of_another_key_is_refused(ingest: RunningIngest, provider: IngestCaller) -> None:
    strange = sign(read_signed(word("strange-key", [licence()])).says, Ed25519PrivateKey.generate())
    for caller, signature in ((provider, strange), (ingest.regulator, word("strange-key", [licence()]))):
        problem = refused(caller.submits_batch, licence(), submission_id="strange-key", signature=signature)
        assert problem.code == "SIGNATURE_INVALID"
    assert ingest.ctx.store.records.count_documents({}) == 0


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"submission_id": "another-id"}, "SIGNATURE_DIFFERS"),
        ({"entry_code": "QYDJ"}, "SIGNATURE_DIFFERS"),
        ({"record_count": 2}, "SIGNATURE_DIFFERS"),
        ({"content_sha256": "0" * 64}, "SIGNATURE_DIFFERS"),
        ({"content_sha256": None}, "SIGNATURE_DIFFERS"),
        ({"amount": 1}, "SIGNATURE_INVALID"),
    ],
)
def test_a_word_on_something_else_is_refused(
    ingest: RunningIngest, provider: IngestCaller, changes: dict[str, Any], code: str
) -> None:
    signature = word("something-else", [licence()], **changes)
    problem = refused(provider.submits_batch, licence(), submission_id="something-else", signature=signature)
    assert problem.code == code
    # With its last batch, a small delivery is refused whole.
    assert ingest.ctx.store.submissions.count_documents({}) == 0


def test_a_file_by_grpc_needs_a_word_on_its_records(ingest: RunningIngest, provider: IngestCaller) -> None:
    says = statement("only-its-file", "XZXK", 1, file_sha256="0" * 64)
    problem = refused(
        provider.submits_batch,
        licence(),
        submission_id="only-its-file",
        file_sha256="0" * 64,
        signature=sign(says, KEY),
    )
    assert problem.code == "SIGNATURE_INVALID"
    assert "content_sha256" in problem.params["reason"]


def test_what_differs_at_the_end_is_mended_under_the_same_id(ingest: RunningIngest, provider: IngestCaller) -> None:
    wrong = word("wrong-at-the-end", licences(20, first=2))
    header = {"submission_id": "wrong-at-the-end", "record_count": 20}
    problem = refused(provider.rpc, "Submit", stream(licences(20), 10, signature=wrong, **header))
    assert (problem.code, problem.params["field"]) == ("SIGNATURE_DIFFERS", "content_sha256")
    assert provider.submission("wrong-at-the-end").state == pb.SUBMISSION_STATE_OPEN
    right = word("wrong-at-the-end", licences(20))
    assert provider.submits(licences(20), 10, signature=right, **header).counts.accepted == 20


def test_an_uploaded_file_is_signed_by_its_digest(ingest: RunningIngest, provider: IngestCaller) -> None:
    content = table(licences(3))
    says = statement("signed-file", "XZXK", 3, file_sha256=digest(content))
    wrong = provider.uploads(content + b"\r\n", submission_id="signed-file", signature=sign(says, KEY))
    assert (wrong.status_code, wrong.json["code"]) == (409, "SIGNATURE_DIFFERS")
    assert ingest.ctx.store.originals.count_documents({}) == 0
    told = provider.uploads(content, submission_id="signed-file", signature=sign(says, KEY)).json
    assert told["counts"]["accepted"] == 3
    receipt = jwt.decode(told["receipt"]["jws"], options={"verify_signature": False})
    assert read_signed(receipt["provider_signature"]).says == says


def agrees(ingest: RunningIngest, required: bool, provider: str = REGULATOR) -> Any:
    body = {"signature_required": required, "document": "归集协议 2026-7"}
    centre = ingest.centre
    return centre.client.put(f"/v1/submissions/agreements/{provider}", json=body, headers=centre.headers)


def test_where_the_agreement_says_so_nothing_comes_in_unsigned(ingest: RunningIngest, provider: IngestCaller) -> None:
    assert agrees(ingest, True).status_code == 200
    problem = refused(provider.submits, licences(2), submission_id="agreed-signed")
    assert (problem.code, problem.params["document"]) == ("SIGNATURE_REQUIRED", "归集协议 2026-7")
    answer = provider.uploads(table(licences(2)))
    assert (answer.status_code, answer.json["code"]) == (409, "SIGNATURE_REQUIRED")
    assert ingest.ctx.store.submissions.count_documents({}) == 0
    signature = word("agreed-signed", licences(2))
    assert provider.submits(licences(2), submission_id="agreed-signed", signature=signature).counts.accepted == 2
    # Other providers have no agreement, and an agreement may change.
    assert ingest.housing.submits_batch(licence(9)).receipt.counts.accepted == 1
    looser = agrees(ingest, False)
    assert (looser.status_code, looser.json["words"]) == (202, {"document": "归集协议 2026-7"})
    assert refused(provider.submits, licences(2)).code == "SIGNATURE_REQUIRED"
    approves(ingest, looser.json["proposal_id"])
    assert provider.submits(licences(2)).counts.unchanged == 2


def approves(ingest: RunningIngest, proposal_id: str, status: int = 200) -> Any:
    """A second officer approves."""
    second = ingest.caller("centre", sub="officer:second", client_id="")
    answer = second.post(f"/v1/submissions/proposals/{proposal_id}/approve", None)
    assert answer.status_code == status, answer.text
    return answer.json


def test_one_officer_alone_ends_no_signature_requirement(ingest: RunningIngest, provider: IngestCaller) -> None:
    """Art. 29: unsigned records of anybody would come in as the provider's."""
    agrees(ingest, True)
    first, second = (agrees(ingest, False).json["proposal_id"] for _ in range(2))
    alone = ingest.centre.post(f"/v1/submissions/proposals/{first}/approve", None)
    assert (alone.status_code, alone.json["code"]) == (403, "FOUR_EYES")
    assert ingest.regulator.get(f"/v1/submissions/agreements/{REGULATOR}").json["signature_required"] is True
    approves(ingest, first)
    # What was agreed meanwhile is not undone by an older proposal.
    ingest.clock.instant += timedelta(hours=1)
    agrees(ingest, True)
    assert approves(ingest, second, 409)["code"] == "PROPOSAL_OUTDATED"
    done = until(lambda: len(e := ingest.audit.of("agreement.changed")) == 3 and e, "the relay delivers")[1]
    assert (done["actor"]["sub"], done["details"]["proposed_by"]) == ("officer:second", "officer:centre")
    assert "归集协议" not in str(ingest.audit.of("proposal.made"))


def test_who_sees_and_changes_agreements(ingest: RunningIngest) -> None:
    path = f"/v1/submissions/agreements/{REGULATOR}"
    assert ingest.regulator.get(path).status_code == 404
    agrees(ingest, True)
    told = ingest.regulator.get(path).json
    assert (told["provider_uscc"], told["signature_required"]) == (REGULATOR, True)
    assert ingest.housing.get(path).status_code == 404
    assert ingest.caller("supervisor", org="").get(path).status_code == 200
    for none in (HOUSING[:-1] + "X", "0" * 18):
        assert agrees(ingest, True, none).json["errors"][0]["field"] == "provider"
    regulator = ingest.regulator
    body = {"signature_required": False, "document": "x"}
    assert regulator.client.put(path, json=body, headers=regulator.headers).status_code == 403
    until(lambda: len(ingest.audit.of("agreement.changed")) == 2, "the relay delivers")
    assert {e["outcome"] for e in ingest.audit.of("agreement.changed")} == {"ok", "refused"}


_WORD = word("property-test", [licence()])


@given(st.integers(0, len(_WORD) - 1), st.characters(codec="ascii"))
def test_an_altered_word_is_no_word(place: int, character: str) -> None:
    altered = _WORD[:place] + character + _WORD[place + 1 :]
    try:
        signed = read_signed(altered)
    except ValueError:
        return
    # The last character of a part has bits that mean nothing.
    assert (dict(signed.says), signed.kid) == (dict(read_signed(_WORD).says), public_jwk(KEY)["kid"])


def test_a_private_key_in_a_header_is_refused() -> None:
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(KEY))
    for headers in ({"typ": TYPE, "jwk": jwk}, {"typ": TYPE}, {"typ": "JWT", "jwk": public_jwk(KEY)}):
        with pytest.raises(ValueError, match=r"jwk|typ"):
            read_signed(jwt.api_jws.encode(b"{}", KEY, algorithm="EdDSA", headers=headers))
