"""Whatever a caller typed, an audit event holds no number of a person, fits the log, and says what its act declares."""

import ast
import json
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

import pytest

from chengxin.audit.details import DETAILS, EVERYWHERE, REFUSED, UNANSWERED
from chengxin.audit.event import ACTOR, CONCERNED, EVENT_LIMIT, GROUNDS, AuditEvent, UndeclaredDetail, refusal
from chengxin.audit.kinds import Kind, Named, Plain, Several
from chengxin.auth.principal import ACR_LEVELS, Principal, Role
from chengxin.errors import NOT_FOUND, ROLE_NOT_ALLOWED
from chengxin.values.acts import Act
from services.audit.domain.event import MAX_ENTRY, read_event
from tests.chengxin.values.test_personal_numbers import NUMBER, WRITTEN
from tests.tools.loading import ROOT

HER = Principal("officer:her", frozenset({Role.CENTRE}))
AT = "2026-11-24T02:30:00Z"
TYPED = sorted(WRITTEN.values())


def event(act: Act = Act.ENTRY_READ, actor: Principal = HER, **what: Any) -> AuditEvent:
    return AuditEvent("catalog", act, actor, AT, **what)


def filled(kind: Kind, text: str) -> Any:
    """A value of the shape of a kind, with a text wherever one can be."""
    if isinstance(kind, Several):
        return [filled(kind.of, text)]
    if isinstance(kind, Named):
        return {name: filled(each, text) for name, each in kind.kinds.items()}
    return text


def holds(entry: bytes, text: str) -> bool:
    """Whether the log would have the text, or its letters and digits."""
    plain = entry.decode()
    return any(part and part in plain for part in (text, text.strip(), json.dumps(text)[1:-1]))


@pytest.mark.parametrize("act", Act)
def test_whatever_is_done_for_an_organisation_names_the_person_who_did_it(act: Act) -> None:
    """A token that tells nobody is none, so no event is of an organisation alone (Art. 31)."""
    claims = {"sub": "s_company", "roles": ["subject"], "org": "91000000MA0000242C", "capacity": "agent"}
    acting = Principal.from_claims(claims | {"act": {"sub": "s_her"}})
    for outcome in ("ok", "refused", "unanswered"):
        actor = json.loads(event(act, acting, outcome=outcome).encode())["actor"]
        assert (actor["sub"], actor["represented_by"], actor["capacity"]) == ("s_company", "s_her", "agent")
    for wrong in ({}, {"act": {}}, {"act": {"sub": ""}}, {"act": {"sub": 1}}, {"act": "s_her"}, {"act": None}):
        with pytest.raises(ValueError, match="act"):
            Principal.from_claims(claims | wrong)


def test_every_field_of_a_caller_is_a_claim_of_its_token() -> None:
    texts = {field.name: f"a_{field.name}" for field in fields(Principal)[2:]} | {"certificate": "c" * 43}
    caller = Principal("s_company", frozenset({Role.SUBJECT}), **texts)
    assert Principal.from_claims(json.loads(json.dumps(caller.to_claims()))) == caller


@pytest.mark.parametrize("act", Act)
def test_no_detail_of_any_act_lets_a_number_of_a_person_through(act: Act) -> None:
    for outcome, more in (("ok", {}), ("refused", REFUSED), ("unanswered", UNANSWERED)):
        for text in TYPED:
            details = {name: filled(kind, text) for name, kind in (DETAILS.get(act, {}) | EVERYWHERE | more).items()}
            encoded = event(act, outcome=outcome, details=details).encode()
            assert not holds(encoded, text)
            assert isinstance(read_event(encoded), dict)


@pytest.mark.parametrize("text", TYPED)
def test_no_member_beside_the_details_lets_one_through(text: str) -> None:
    words = {field.name: text for field in fields(Principal) if field.name != "roles"}
    typed = event(
        actor=Principal(roles=frozenset({Role.CENTRE}), **words),
        request_id=text,
        **{name: [text] for name in CONCERNED},
    )
    encoded = typed.encode()
    assert not holds(encoded, text)
    assert isinstance(read_event(encoded), dict)


def test_all_that_an_actor_and_its_grounds_have_is_of_a_kind() -> None:
    everything = Principal("s", frozenset({Role.CENTRE}), **{f.name: "x" for f in fields(Principal)[2:]})
    assert set(everything.to_actor()) == set(ACTOR)
    told = set(json.loads(event(actor=everything).encode())) - {"v", "event_id", "at", "service", "act", "outcome"}
    assert told == {"actor", "request_id", *GROUNDS}
    # The rest names a token, a key, a certificate, and the last day of an authorization that has events of its own.
    rest = {f.name for f in fields(Principal)} - set(ACTOR) - set(GROUNDS)
    assert rest == {"jti", "client_key", "certificate", "authorized_until"}


def test_the_act_stays_on_record_with_what_is_not_a_number() -> None:
    court = Principal("court", frozenset({Role.STATUTORY}), case_no="（2026）粤17执123号", purpose=f"查 {NUMBER}")
    told = json.loads(event(Act.RECORD_QUERIED_STATUTORY, court).encode())
    assert (told["act"], told["case_no"], told["purpose"]) == (
        "record.queried.statutory",
        "（2026）粤17执123号",
        "withheld",
    )


def test_a_detail_that_its_act_does_not_declare_is_a_mistake() -> None:
    with pytest.raises(UndeclaredDetail, match=r"entry\.read: the detail note"):
        event(details={"note": "x"}).encode()
    with pytest.raises(UndeclaredDetail, match="code"):
        event(details={"code": "ROLE_NOT_ALLOWED"}).encode()


def test_an_event_of_any_act_fits_the_log_and_says_how_many_there_were() -> None:
    many = 700
    for kinds, act in {id(kinds): (kinds, act) for act, kinds in DETAILS.items()}.values():
        lists = {name: [filled(kind.of, "a" * 64)] * many for name, kind in kinds.items() if isinstance(kind, Several)}
        encoded = event(act, details=lists, **{name: [f"s_{'a' * 26}"] * many for name in CONCERNED}).encode()
        assert len(encoded) <= EVENT_LIMIT == MAX_ENTRY
        told = json.loads(encoded)["details"]
        assert {name: told[name] for name in CONCERNED} == dict.fromkeys(CONCERNED, many)
        assert told.get("listed", {}) == dict.fromkeys((name for name in lists if len(told[name]) < many), many)


def ways_of_verifying() -> Iterator[str]:
    """The values that the gateway gives to `acr`, as its sources have them."""
    yield from ACR_LEVELS
    for file in (ROOT / "gateway").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            is_acr = (isinstance(node, ast.keyword) and node.arg == "acr") or (
                isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "ACR"
            )
            if is_acr and isinstance(node.value, ast.Constant):
                yield node.value.value


def test_how_a_caller_was_verified_is_told() -> None:
    ways = {*ways_of_verifying()}
    assert {"private_key_jwt", "pwd+totp", "counter", "oidc"} <= ways
    for acr in ways:
        assert json.loads(event(actor=replace(HER, acr=acr)).encode())["actor"]["acr"] == acr


def test_lists_within_a_detail_are_cut_too() -> None:
    purposes = [{"purpose": f"{n}资质审查" * 12, "agreement": f"协议〔2026〕{n}号" * 14} for n in range(100)]
    made = event(Act.PROPOSAL_MADE, details={"act": "client.grants_proposed", "asked": {"purposes": purposes}})
    encoded = made.encode()
    assert len(encoded) <= EVENT_LIMIT
    told = json.loads(encoded)["details"]
    assert told["listed"] == {"purposes": 100}
    assert told["asked"]["purposes"] == purposes[: len(told["asked"]["purposes"])] != []


def test_of_very_many_references_the_first_are_named() -> None:
    """Callers put those first by which subjects ask for their events."""
    refs = [f"s_{n:026}" for n in range(2_000)]
    told = json.loads(event(Act.FEED_READ_PUBLIC, subject_refs=refs, details={"changes": 2}).encode())
    assert told["subject_refs"] == refs[:500]
    assert told["details"] == {"changes": 2, "subject_refs": 2_000}


def test_a_refusal_names_what_was_asked_for_unless_it_is_no_word() -> None:
    refused = ROLE_NOT_ALLOWED(roles="centre", required="authority")
    assert refusal(refused, ("sub-00001",)) == {"code": "ROLE_NOT_ALLOWED", "asked": ["sub-00001"]}
    assert refusal(refused) == {"code": "ROLE_NOT_ALLOWED"}
    assert refusal(NOT_FOUND(what="张三"), ()) == {"code": "NOT_FOUND", "asked": ["withheld"]}
    assert refusal(NOT_FOUND(what=NUMBER), ())["asked"] == ["withheld"]


def test_numbers_and_yes_or_no_are_kinds_of_their_own() -> None:
    assert [Plain("count", int).admitted(value) for value in (3, True, "3")] == [3, "withheld", "withheld"]
