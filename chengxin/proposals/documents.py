"""The proposals that a service keeps, in its own store."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from mongoengine import DateTimeField, Document, StringField
from pymongo.client_session import ClientSession

from chengxin.proposals.proposal import Proposal
from chengxin.store.database import Store, UnitOfWork
from chengxin.store.documents import ObjectField
from chengxin.store.field_encryption import KeyRing
from chengxin.store.retention import kept
from chengxin.values.acts import Act
from chengxin.values.personal_numbers import holds_personal_number


class ProposalRow(Document):
    """An act that waits for a second officer, or waited."""

    proposal_id = StringField(primary_key=True)
    act = StringField(required=True)
    target = StringField(required=True)
    region = StringField(default="")
    asked = ObjectField(required=True)
    proposed_by = StringField(required=True)
    proposed_at = DateTimeField(required=True)
    for_whom = StringField(default="")
    state = StringField(required=True)
    decided_by = StringField(default="")
    decided_at = DateTimeField(null=True)
    # Sealed; not there in what a former version kept.
    words = ObjectField(default=dict)
    meta = {
        "collection": "proposals",
        "indexes": ["state", "target"],
        "retention": kept("who asked for powers, and which second officer decided (Art. 31)"),
        "direct_writes": {"renew_proposals": "at the start: a row of the last version gets the form of today"},
    }


class Proposals:
    """Reads and writes the proposals of one store; what people wrote in them is sealed with `keys`."""

    def __init__(self, store: Store, keys: KeyRing | None = None) -> None:
        self.store = store
        self._keys = keys
        self._rows = store.documents(ProposalRow)

    def get(self, proposal_id: str, session: ClientSession | None = None) -> Proposal | None:
        """Returns a proposal, or None."""
        row = self._rows.get(proposal_id, session)
        return None if row is None else self._read(row)

    def page(self, state: str, before: str, limit: int) -> list[Proposal]:
        """Returns proposals in `state` (any state if empty), the newest first; with `before`, only smaller ids."""
        query: dict[str, Any] = {"state": state} if state else {}
        if before:
            query["_id"] = {"$lt": before}
        return [self._read(row) for row in self._rows.find(query, [("_id", -1)], limit)]

    def waiting(
        self, acts: Collection[Act], target: str, now: datetime, session: ClientSession | None = None
    ) -> list[Proposal]:
        """Returns what is open of these acts on a target at `now`, the newest first."""
        found = map(self._read, self._rows.find(_open(acts, target), [("_id", -1)], session=session))
        return [proposal for proposal in found if proposal.seen(now).state == "open"]

    def save(self, proposal: Proposal, unit: UnitOfWork) -> None:
        """Creates or replaces a proposal. Raises `ValueError` for one that holds the number of a person in what goes on
        record, and for words without a key to seal them with."""
        if any(holds_personal_number(text) for text in _texts(proposal.asked)):
            raise ValueError(f"a proposal of {proposal.act} holds the number of a person; use a pseudonym")
        row = ProposalRow(
            proposal_id=proposal.proposal_id,
            act=proposal.act.value,
            target=proposal.target,
            region=proposal.region,
            asked=dict(proposal.asked),
            proposed_by=proposal.proposed_by,
            proposed_at=proposal.proposed_at,
            for_whom=proposal.for_whom,
            state=proposal.state,
            decided_by=proposal.decided_by,
            decided_at=proposal.decided_at,
            words={name: self._ring().encrypt(text, name) for name, text in proposal.words.items()},
        )
        self._rows.replace(row, unit.session)

    def outdate(self, acts: Collection[Act], target: str, unit: UnitOfWork, **asked: str) -> None:
        """Nobody can approve any more what is open of these acts on a target; with `asked`, only what asks for that.

        Called in the transaction that takes away from the target, so that nothing which was proposed before gives it
        back. A proposal that is being carried out is saved as decided afterwards.
        """
        query = _open(acts, target) | {f"asked.{name}": value for name, value in asked.items()}
        for row in list(self._rows.find(query, session=unit.session)):
            row.state = "outdated"
            self._rows.replace(row, unit.session)

    def _read(self, row: ProposalRow) -> Proposal:
        return Proposal(
            row.proposal_id,
            Act(row.act),
            row.target,
            row.region,
            row.asked,
            row.proposed_by,
            row.proposed_at,
            row.for_whom,
            row.state,
            row.decided_by,
            row.decided_at,
            {name: self._ring().decrypt(sealed, name) for name, sealed in (row.words or {}).items()},
        )

    def _ring(self) -> KeyRing:
        if self._keys is None:
            raise ValueError("this store has no key to seal what people write in proposals")
        return self._keys


def _open(acts: Collection[Act], target: str) -> dict[str, Any]:
    return {"state": "open", "act": {"$in": sorted(acts)}, "target": target}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from (text for each in value.values() for text in _texts(each))
    elif isinstance(value, Sequence):
        yield from (text for each in value for text in _texts(each))
