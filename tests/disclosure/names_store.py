"""Names as the search reads them from a store: in memory for properties, in a real store by `fill`; and a plain scan over
the same names."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from chengxin.values.text_forms import search_key
from services.disclosure.domain.subject_names import NameHistory, merge_names
from services.disclosure.domain.text_normalisation import as_code, as_initials, readings, words_of
from services.disclosure.domain.view_pages import PublicName, PublicVisibility, seen_names, together

Row = dict[str, Any]
FOREVER = "9999-12-31"


def row(ref: str, *names: str, uscc: str = "", until: str = FOREVER, into: str = "", seq: int = 0) -> Row:
    """A row of the collection `names`: all its names end with it."""
    made = {"_id": ref, "kind": "enterprise", "uscc": uscc, "seq": seq, "until": until}
    made |= {"name": names[0] if names else "", "former": list(names[1:]), "named_at": "", "registered_at": ""}
    made["names"] = [[name, until, slot] for slot, name in enumerate(names)]
    return made | ({"into": into} if into else {})


@dataclass
class MemoryNames:
    """Replaces `DisclosureStore` for the search. Reading waits while `gate` is closed."""

    rows: dict[str, Row] = field(default_factory=dict)
    seq: int = 0
    identity: str = "one"
    generation: int = 2
    gate: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.gate.set()
        self.store = self
        self.db = {"counters": self}

    def change(self, *rows: Row) -> None:
        """A transaction that changes names."""
        self.seq += 1
        self.rows |= {row["_id"]: row | {"seq": self.seq} for row in rows}

    def names_after(self, seq: int) -> Iterator[Row]:
        return iter([row for row in self.rows.values() if row["seq"] > seq])

    @property
    def name_rows(self) -> "MemoryNames":
        return self

    def find(self, query: Row, batch_size: int) -> Iterator[Row]:
        assert self.gate.wait(20)
        among = query["seq"]
        return iter([row for row in self.rows.values() if among["$gt"] < row["seq"] <= among["$lte"]])

    def find_one(self, query: Row) -> Row:
        return {"n": self.seq, "value": self.identity}


def fill(db: Any, *rows: Row) -> None:
    """Changes names in a real store, as one transaction does."""
    seq = int((db["counters"].find_one({"_id": "names.2"}) or {"n": 0})["n"]) + 1
    for one in rows:
        db["names.2"].replace_one({"_id": one["_id"]}, one | {"seq": seq}, upsert=True)
    db["counters"].update_one({"_id": "names.2"}, {"$set": {"n": seq}}, upsert=True)


def scan(rows: Iterable[Row], query: str, today: str) -> list[tuple[str, str, list[str]]]:
    """What a search must find: reference, name and former names of each subject, by comparing every name."""
    public = [row for row in rows if row["until"]]
    if not search_key(query):
        return []
    ranked = [(rank, row["uscc"], row["_id"], row) for row in public if (rank := _rank(row, query, today))]
    found: dict[str, tuple[str, list[str]]] = {}
    for *_, row in sorted(ranked, key=lambda r: r[:3]):
        whose = row.get("into") or row["_id"]
        if whose not in found:
            members = [r for r in public if r.get("into") == whose] or [row]
            members.sort(key=lambda r: (r["_id"] != whose, r["_id"]))
            seen = [r for r in members if r["until"] >= today]
            names = together(PublicVisibility(r["until"], tuple(PublicName(*n) for n in r["names"])) for r in seen)
            called = merge_names(NameHistory(r["name"], r["former"], r["named_at"], r["registered_at"]) for r in seen)
            shown = seen_names(names, called, today)
            found[whose] = (next(iter(shown), ""), shown[1:])
    return [(whose, *names) for whose, names in found.items()]


def _rank(row: Row, query: str, today: str) -> int:
    text, words, letters, code = search_key(query), words_of(query), as_initials(query), as_code(query)
    if row["until"] < today:
        return 0
    if code and row["uscc"].startswith(code):
        return 1
    ranks = [9]
    for name, until, _ in row["names"]:
        if until < today:
            continue
        searched = search_key(name)
        read = readings(name)
        if searched == text:
            ranks.append(2)
        elif searched.startswith(text):
            ranks.append(3)
        elif text in searched:
            ranks.append(4)
        elif len(words) > 1 and all(word in searched for word in words[:8]):
            ranks.append(5)
        elif letters and any(reading.startswith(letters) for reading in read):
            ranks.append(6)
        elif letters and any(letters in reading for reading in read):
            ranks.append(7)
    return min(ranks) % 9
