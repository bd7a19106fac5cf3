"""What repositories keep through documents is stored in the same form as ever: homes of the last version have it so."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import bson
import pytest
from mongoengine import ValidationError

from chengxin.auth.principal import Role
from chengxin.proposals.documents import ProposalRow, Proposals
from chengxin.proposals.proposal import Proposal
from chengxin.store.database import Store
from chengxin.store.documents import Documents, stored_form
from chengxin.store.field_encryption import KeyRing
from chengxin.values.acts import Act
from chengxin.values.workdays import CalendarYear
from gateway.domain.clients_and_officers import Agreement, Citizen, Client, Officer
from gateway.store import accounts, administration
from gateway.store.accounts import Accounts
from services.ingest.store import agreements
from services.ingest.store.agreements import ProviderStore
from services.objection.domain.case_views import EntryNames
from services.objection.store import documents as objection
from services.objection.store.cases import ObjectionStore

AT = datetime(2026, 11, 24, 4, 0, tzinfo=UTC)
RING = KeyRing({1: b"k" * 32})
CLIENT = Client(
    "bank",
    "A bank",
    "91330200ABC",
    "330200",
    ({"kid": "a", "kty": "OKP"},),
    frozenset({Role.AGENCY, Role.PUBLIC}),
    (Agreement("loan_application", "A-1"),),
    ("art 16",),
    False,
    "Mr Li",
)
OFFICER = Officer("li", frozenset({Role.CENTRE}), "centre", "330200", "hash", "SECRET")


def kept(store: Store, name: str) -> list[dict[str, Any]]:
    return list(store.db[name].find())


def must_be_rewritten_alike(store: Store, *classes: Any) -> None:
    """What was read of each and is written again is the same BSON."""
    for document in classes:
        documents: Documents[Any] = store.documents(document)
        rows = list(documents.collection.find())
        assert rows
        for row in rows:
            assert bson.encode(stored_form(documents.read(row))) == bson.encode(row)


def test_clients(store: Store) -> None:
    found = Accounts(store, RING)
    assert store.transact(lambda unit: found.save_client(CLIENT, unit))
    form = {
        "_id": "bank",
        "name": "A bank",
        "org": "91330200ABC",
        "region": "330200",
        "jwks": [{"kid": "a", "kty": "OKP"}],
        "roles": ["agency", "public"],
        "agreements": [{"purpose": "loan_application", "number": "A-1"}],
        "legal_bases": ["art 16"],
        "responsible": "Mr Li",
        "suspended": False,
    }
    assert kept(store, "clients") == [form]
    assert not store.transact(lambda unit: found.save_client(CLIENT, unit))
    assert found.client("bank") == CLIENT
    store.transact(lambda unit: found.put_client(CLIENT, unit))
    assert kept(store, "clients") == [form | {"administered": True}]
    # The bootstrap file leaves it alone from now on.
    assert not store.transact(lambda unit: found.save_client(CLIENT, unit))
    must_be_rewritten_alike(store, accounts.ClientRow)


def test_a_client_without_roles_and_keys_is_kept(store: Store) -> None:
    found = Accounts(store, RING)
    bare = Client("bare", "Bare", "", "", (), frozenset(), (), (), False, "")
    store.transact(lambda unit: found.put_client(bare, unit))
    assert found.client("bare") == bare
    [row] = kept(store, "clients")
    assert (row["jwks"], row["roles"], row["agreements"], row["legal_bases"]) == ([], [], [], [])


def test_a_client_of_an_older_version_is_read_and_registered_again(store: Store) -> None:
    store.db["clients"].insert_one(
        {"_id": "bank", "name": "Old", "org": "", "region": "", "jwks": [], "roles": []}
        | {"agreements": [{"purpose": "lending", "number": "1", "forgotten": 1}]}
        | {"legal_bases": [], "suspended": True, "forgotten": 1}
    )
    found = Accounts(store, RING)
    before = found.client("bank")
    assert before is not None
    assert (before.name, before.suspended, before.responsible) == ("Old", True, "")
    assert store.transact(lambda unit: found.save_client(CLIENT, unit))
    [row] = kept(store, "clients")
    assert (row["name"], row["suspended"]) == ("A bank", True)
    # A gateway of another version beside this one may need it.
    assert row["forgotten"] == 1


def test_officers_and_citizens(store: Store) -> None:
    found = Accounts(store, RING)
    store.transact(lambda unit: found.save_officer(OFFICER, "Li", unit))
    [row] = kept(store, "officers")
    sealed = {"name": row["name"], "totp_secret": row["totp_secret"]}
    form = {"_id": "li", "roles": ["centre"], "org": "centre", "region": "330200", "password_hash": "hash"}
    assert row == form | sealed | {"totp_step": 0}
    assert found.spend_totp("li", 7)
    store.transact(lambda unit: found.put_officer(OFFICER, unit))
    [changed] = kept(store, "officers")
    flags = {"suspended": False, "initial": False, "administered": True}
    assert changed == form | {"name": row["name"], "totp_secret": changed["totp_secret"], "totp_step": 7} | flags
    store.transact(lambda unit: found.put_officer(OFFICER, unit, "Li Na", forget_codes=True))
    [changed] = kept(store, "officers")
    assert changed["totp_step"] == 0
    assert changed["name"] != row["name"]
    assert found.officer("li") == OFFICER
    store.transact(lambda unit: found.save_citizen(Citizen("s_1", "Li", ("u_1",)), "330200", unit))
    assert found.citizen("s_1") == Citizen("s_1", "Li", ("u_1",))
    must_be_rewritten_alike(store, accounts.OfficerRow, accounts.CitizenRow)


def test_administration(store: Store) -> None:
    found = Accounts(store, RING)
    store.transact(lambda unit: found.administration.open_session("j1", "officer:li", AT, AT, unit))
    assert kept(store, "sessions") == [{"_id": "j1", "sub": "officer:li", "signed_in_at": AT, "expires_at": AT}]
    found.administration.begin_oidc("s1", {"nonce": "n"}, AT)
    assert kept(store, "oidc_flows") == [{"_id": "s1", "flow": {"nonce": "n"}, "expires_at": AT}]
    store.transact(lambda unit: found.add_signing_key("kid", b"pem", AT, AT, unit))
    assert found.signing_keys() == [(b"pem", AT)]
    rewritten = (administration.SessionRow, administration.OidcFlowRow)
    must_be_rewritten_alike(store, *rewritten, accounts.SigningKeyRow)


def test_proposals(store: Store) -> None:
    found = Proposals(store)
    asked = {"roles": ["agency"], "purposes": [], "legal_bases": [], "keys": ["k"]}
    proposal = Proposal("p1", Act.CLIENT_GRANTS_PROPOSED, "bank", "441700", asked, "officer:li", AT)
    store.transact(lambda unit: found.save(proposal, unit))
    form = {
        "_id": "p1",
        "act": "client.grants_proposed",
        "target": "bank",
        "region": "441700",
        "asked": asked,
        "proposed_by": "officer:li",
        "proposed_at": AT,
        "for_whom": "",
        "state": "open",
        "decided_by": "",
        "decided_at": None,
        "words": {},
    }
    assert kept(store, "proposals") == [form]
    assert found.get("p1") == proposal
    with pytest.raises(ValueError, match="number of a person"):
        store.transact(lambda unit: found.save(replace(proposal, asked={"x": "441702188803020023"}), unit))
    must_be_rewritten_alike(store, ProposalRow)


@pytest.mark.parametrize(
    ("kind", "target", "act", "whom"),
    [
        ("client", "bank", Act.CLIENT_GRANTS_PROPOSED, ""),
        ("officer", "wang", Act.OFFICER_ROLES_PROPOSED, "officer:wang"),
    ],
)
def test_proposals_of_the_last_version_are_read(store: Store, kind: str, target: str, act: Act, whom: str) -> None:
    grants = {"roles": ["agency"], "purposes": [{"purpose": "loan", "agreement": "A-1"}], "legal_bases": []}
    row = {"_id": "p1", "kind": kind, "target": target, "region": "", "grants": grants, "proposed_by": "officer:li"}
    row |= {"proposed_at": AT, "state": "approved", "decided_by": "officer:sun", "decided_at": AT}
    store.db["proposals"].insert_one(row)
    Accounts(store, RING).create_indexes()
    read = Proposal("p1", act, target, "", grants, "officer:li", AT, whom, "approved", "officer:sun", AT)
    assert Proposals(store).get("p1") == read


def test_what_does_not_fit_is_not_written(store: Store) -> None:
    found = Accounts(store, RING)
    with pytest.raises(ValidationError):
        store.transact(lambda unit: found.administration.add_representation({"_id": "r1", "uscc": "u"}, unit))
    with pytest.raises(ValidationError):
        # An account has a name from the beginning.
        store.transact(lambda unit: found.put_officer(OFFICER, unit))
    assert kept(store, "representations") == kept(store, "officers") == []


def test_what_objections_follow(store: Store) -> None:
    found = ObjectionStore(store, RING)
    year = CalendarYear.of(2026, True, ["2026-10-01"], [])
    names = EntryNames("E1", 2, {"zh": "甲"}, {"i": {"zh": "乙"}})
    store.transact(lambda unit: found.save_rules(1, date(2026, 1, 1), {"acceptance_working_days": 3}, unit))
    store.transact(lambda unit: found.save_entry(names, unit))
    store.transact(lambda unit: found.save_year(year, unit))
    [(marked, mark)] = found.years_to_recount()
    assert marked == 2026
    assert kept(store, "rules") == [
        {"_id": 1, "effective_from": "2026-01-01", "values": {"acceptance_working_days": 3}}
    ]
    assert kept(store, "entries") == [{"_id": "E1:2", "name": {"zh": "甲"}, "items": {"i": {"zh": "乙"}}}]
    assert kept(store, "calendar_years") == [
        {"_id": 2026, "announced": True, "days_off": ["2026-10-01"], "days_worked": []}
    ]
    assert found.entry("E1", 2) == names
    # The same year again: nothing has to be counted again.
    store.transact(lambda unit: found.save_year(year, unit))
    assert found.years_to_recount() == [(2026, mark)]
    classes = (objection.RulesRow, objection.EntryNamesRow, objection.CalendarRow, objection.RecountRow)
    must_be_rewritten_alike(store, *classes)


def test_terms_and_columns_of_providers(store: Store) -> None:
    found = ProviderStore(store)
    terms = {"signature_required": True, "document": "N-1", "changed_at": AT}
    columns = {"名称": "name", "a.b$": ""}
    store.transact(lambda unit: found.keep_agreement("u1", dict(terms), unit.session))
    store.transact(lambda unit: found.keep_mapping("u1", "E1", columns, AT, unit.session))
    assert kept(store, "agreements") == [{"_id": "u1", **terms}]
    assert kept(store, "mappings") == [{"_id": "u1/E1", "columns": [["名称", "name"], ["a.b$", ""]], "changed_at": AT}]
    agreed = found.agreement("u1")
    assert agreed is not None
    assert {name: agreed[name] for name in terms} == terms
    assert found.agreement("u2") is None
    assert found.mapping("u1", "E1") == columns
    must_be_rewritten_alike(store, agreements.ProviderAgreement, agreements.ColumnMapping)
