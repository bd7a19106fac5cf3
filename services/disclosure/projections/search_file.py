"""The public search's index: one SQLite file of one process, with what the public may see and nothing else.

Texts are found by pairs of signs (FTS5, which keeps for each pair the names that have it), pinyin initials by threes; what
was found so is then compared in full. The number of the last change taken in is committed with the changes, so that a
process that is killed goes on where it was. Decision 25 tells what was measured.
"""

import fcntl
import hashlib
import json
import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.disclosure.domain import pinyin_letters
from services.disclosure.domain.text_normalisation import normalised, readings

READERS: Final = 4
# Pages of the file that a connection keeps in memory; SQLite takes no more for them.
_READER_KIB: Final = 4 * 1024
_WRITER_KIB: Final = 16 * 1024
CACHE_BYTES: Final = (READERS * _READER_KIB + _WRITER_KIB) * 1024

# Names of one subject have numbers beside each other.
_SLOTS: Final = 1 << 16
_MOST_WORDS: Final = 8
_SHORT: Final = 6
# Without these a name is found by any pair of signs that has one of them.
_BESIDE: Final = {n: 0xE000 + n for n in range(128) if not chr(n).isalnum()}

_TABLES: Final = """
CREATE TABLE about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE subjects (id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, uscc TEXT NOT NULL, until TEXT NOT NULL,
  leader TEXT, told TEXT NOT NULL);
CREATE INDEX by_code ON subjects (uscc, ref, until, leader) WHERE uscc != '';
CREATE INDEX by_leader ON subjects (leader) WHERE leader IS NOT NULL;
CREATE TABLE names (id INTEGER PRIMARY KEY, searched TEXT NOT NULL, initials TEXT NOT NULL, until TEXT NOT NULL,
  uscc TEXT NOT NULL, ref TEXT NOT NULL, leader TEXT);
CREATE INDEX by_name ON names (searched);
CREATE VIRTUAL TABLE pairs USING fts5(text, content='', columnsize=0, detail=none, tokenize='ascii', prefix='1');
CREATE VIRTUAL TABLE threes USING fts5(text, content='', columnsize=0, detail=none, tokenize='ascii', prefix='2');
"""

# A hit: whose it is, and its place: rank, code and reference.
_BY_CODE: Final = """SELECT * FROM (SELECT ifnull(leader, ref) AS whose, '1' || uscc || ' ' || ref AS place FROM subjects
  WHERE uscc != '' AND uscc >= :code AND uscc < :code_end AND until >= :today ORDER BY uscc, ref LIMIT :limit)"""
_BY_NAME: Final = """SELECT ifnull(leader, ref), '2' || uscc || ' ' || ref FROM names
  WHERE searched = :text AND until >= :today"""
_BY_BEGINNING: Final = """SELECT ifnull(leader, ref), '3' || uscc || ' ' || ref FROM names
  WHERE searched > :text AND searched < :text_end AND until >= :today"""
_BY_PART: Final = """SELECT ifnull(leader, ref), '4' || uscc || ' ' || ref FROM pairs CROSS JOIN names ON names.id = pairs.rowid
  WHERE pairs MATCH :pairs AND until >= :today AND instr(searched, :text) > 1"""
_BY_WORDS: Final = """SELECT ifnull(leader, ref), '5' || uscc || ' ' || ref FROM pairs CROSS JOIN names ON names.id = pairs.rowid
  WHERE pairs MATCH :word_pairs AND until >= :today"""
_BY_INITIALS: Final = """SELECT ifnull(leader, ref),
  CASE WHEN instr(initials, char(10) || :initials) THEN '6' ELSE '7' END || uscc || ' ' || ref
  FROM threes CROSS JOIN names ON names.id = threes.rowid
  WHERE threes MATCH :threes AND until >= :today AND instr(initials, :initials)"""
# One row answers: each step of a statement gives up Python's lock, and waits for it.
_SEARCH: Final = """
WITH hits AS MATERIALIZED (SELECT whose, place FROM ({ways}) LIMIT :limit),
  found AS MATERIALIZED (SELECT whose, min(place) AS place FROM hits GROUP BY whose),
  page AS MATERIALIZED (SELECT whose, place FROM found ORDER BY place LIMIT :size OFFSET :start)
SELECT (SELECT count(*) FROM hits), (SELECT count(*) FROM found),
  (SELECT json_group_array(whose) FROM (SELECT whose FROM page ORDER BY place)),
  (SELECT json_group_array(json_array(ref, leader, json(told))) FROM (
    SELECT ref, leader, told FROM subjects WHERE ref IN (SELECT whose FROM page)
    UNION SELECT ref, leader, told FROM subjects WHERE leader IN (SELECT whose FROM page)))
"""


class IndexDamaged(Exception):
    """The file is not what was written."""


@dataclass(frozen=True)
class IndexedSubject:
    """A subject as it is put in: nothing is found of one without `until`. `told` is JSON for whoever reads it again."""

    ref: str
    uscc: str
    until: str
    # The strongest reference of the same subject; empty when it is alone.
    leader: str
    # Names with the last day of each.
    names: Sequence[tuple[str, str]]
    told: str


@dataclass(frozen=True)
class SearchTerms:
    """A search; texts are normalised."""

    text: str
    words: Sequence[str]
    code: str
    initials: str
    today: str


@dataclass(frozen=True)
class SearchHits:
    """What a search looked at: how many names and codes, of how many subjects; the references of those on the page, and
    what is told of them and of others of the same subject: reference, leader, told."""

    looked_at: int
    subjects: int
    page: Sequence[str]
    told: Sequence[tuple[str, str | None, Any]]


class SearchFile:
    """The index. One thread at a time may write; any may search."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Opens the index of a store, or begins one. Raises `OSError` and `sqlite3.OperationalError`."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._identity = f"{_version()} {identity}"
        self._place, self._lock = _free_place(folder)
        self.position = 0
        # Why what was there is not used; empty when it is, or nothing was.
        self.refused = ""
        # More than one only where a process was killed while it began anew.
        there = sorted(self._place.glob("*.db"))
        if len(there) != 1 or not self._open(there[0]):
            self._begin()

    def _open(self, path: Path) -> bool:
        try:
            self._connect(path)
            if self._about("identity") == self._identity:
                self.position = int(self._about("position"))
                return True
            self.refused = "it is of another store or version"
        except sqlite3.Error as e:
            self.refused = str(e)
        self._disconnect()
        return False

    def begin_anew(self) -> None:
        """Leaves what is there, and begins with nothing."""
        self._disconnect()
        self._begin()

    def _begin(self) -> None:
        # Under another name: whoever still reads the old file removes that one's journal with it.
        for old in self._place.glob("*.db*"):
            old.unlink(missing_ok=True)
        self._connect(self._place / f"{secrets.token_hex(8)}.db")
        self._writer.executescript(f"BEGIN; {_TABLES} COMMIT;")
        self._writer.executemany("INSERT INTO about VALUES (?, ?)", [("position", 0), ("identity", self._identity)])
        self.position = 0

    def _connect(self, path: Path) -> None:
        self.path = path
        self._readers = _Readers()
        self._writer = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        _prepare(self._writer, _WRITER_KIB)
        self._writer.execute("PRAGMA journal_mode = WAL")
        for _ in range(READERS):
            reader = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._readers.give_back(reader)
            _prepare(reader, _READER_KIB)
            reader.execute("PRAGMA query_only = ON")

    def _disconnect(self) -> None:
        """Searches that are under way keep theirs until they end."""
        self._readers.close()
        self._writer.close()

    def _about(self, key: str) -> Any:
        found = self._writer.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return found[0] if found else None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(_size(file) for file in self._place.glob("*.db*"))

    def take_in(self, entries: Sequence[IndexedSubject], position: int) -> None:
        """Puts subjects in, again or for the first time, and the number of the last change. Raises `IndexDamaged`."""
        with _telling_damage():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                self._write({entry.ref: entry for entry in entries})
                self._writer.execute("UPDATE about SET value = ? WHERE key = 'position'", (position,))
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise
        self.position = position

    def _write(self, entries: Mapping[str, IndexedSubject]) -> None:
        write = self._writer
        known: dict[str, int] = {}
        same: set[str] = set()
        asked = "SELECT id, ref, uscc, until, ifnull(leader, ''), told FROM subjects WHERE ref IN (SELECT value FROM json_each(?))"
        for number, *rest in write.execute(asked, (json.dumps(list(entries)),)).fetchall():
            entry = entries[rest[0]]
            known[entry.ref] = number
            if rest == [entry.ref, entry.uscc, entry.until, entry.leader, entry.told]:
                same.add(entry.ref)
        # Those that change keep their numbers, so the highest is looked for while they are there.
        last = write.execute("SELECT ifnull(max(id), 0) FROM subjects").fetchone()[0]
        self._remove([number for ref, number in known.items() if ref not in same])
        subjects: list[Any] = []
        names: list[Any] = []
        pairs: list[Any] = []
        threes: list[Any] = []
        for ref, entry in entries.items():
            if ref in same or not entry.until:
                continue
            if (number := known.get(ref, 0)) == 0:
                number = last = last + 1
            leader = entry.leader or None
            subjects.append((number, ref, entry.uscc, entry.until, leader, entry.told))
            for slot, (name, until) in enumerate(entry.names[:_SLOTS]):
                key = number * _SLOTS + slot
                searched = normalised(name)
                # Each after the end of a line, so that a beginning can be told.
                initials = "".join(f"\n{reading}" for reading in readings(searched))
                names.append((key, searched, initials, min(until, entry.until), entry.uscc, ref, leader))
                pairs.append((key, _pairs(searched)))
                if initials:
                    threes.append((key, _threes(initials)))
        write.executemany("INSERT INTO subjects VALUES (?, ?, ?, ?, ?, ?)", subjects)
        write.executemany("INSERT INTO names VALUES (?, ?, ?, ?, ?, ?, ?)", names)
        write.executemany("INSERT INTO pairs (rowid, text) VALUES (?, ?)", pairs)
        write.executemany("INSERT INTO threes (rowid, text) VALUES (?, ?)", threes)

    def _remove(self, numbers: Sequence[int]) -> None:
        write = self._writer
        for number in numbers:
            between = (number * _SLOTS, (number + 1) * _SLOTS - 1)
            for key, searched, initials in write.execute(
                "SELECT id, searched, initials FROM names WHERE id BETWEEN ? AND ?", between
            ).fetchall():
                # An index without its texts is told what it had.
                delete = "INSERT INTO {0} ({0}, rowid, text) VALUES ('delete', ?, ?)"
                write.execute(delete.format("pairs"), (key, _pairs(searched)))
                if initials:
                    write.execute(delete.format("threes"), (key, _threes(initials)))
            write.execute("DELETE FROM names WHERE id BETWEEN ? AND ?", between)
            write.execute("DELETE FROM subjects WHERE id = ?", (number,))

    def search(self, wanted: SearchTerms, limit: int, start: int, size: int) -> SearchHits:
        """Subjects from the `start`th on, best first, after looking at no more than `limit` names. Raises `IndexDamaged`."""
        ways, given = _ways(wanted)
        given |= {"limit": limit, "start": start, "size": size}
        sql = _SEARCH.format(ways=" UNION ALL ".join(ways))
        readers = self._readers
        reader = readers.take()
        if reader is None:
            raise IndexDamaged("it is being made anew")
        try:
            with _telling_damage():
                looked_at, subjects, page, told = reader.execute(sql, given).fetchone()
        finally:
            readers.give_back(reader)
        return SearchHits(looked_at, subjects, json.loads(page), json.loads(told))

    def close(self) -> None:
        """Leaves the file to whoever comes next."""
        self._disconnect()
        self._lock.close()


class _Readers:
    """Connections that search: one is taken, used and given back."""

    def __init__(self) -> None:
        self._free: list[sqlite3.Connection] = []
        self._change = threading.Condition()
        self._closed = False

    def take(self) -> sqlite3.Connection | None:
        """One, as soon as one is free; None when they are closed."""
        with self._change:
            self._change.wait_for(lambda: self._free or self._closed)
            return None if self._closed else self._free.pop()

    def give_back(self, reader: sqlite3.Connection) -> None:
        with self._change:
            if not self._closed:
                self._free.append(reader)
                self._change.notify()
                return
        reader.close()

    def close(self) -> None:
        with self._change:
            self._closed = True
            free, self._free = self._free, []
            self._change.notify_all()
        for reader in free:
            reader.close()


def _ways(wanted: SearchTerms) -> tuple[list[str], dict[str, Any]]:
    given: dict[str, Any] = {"today": wanted.today, "text": wanted.text}
    ways = []
    if wanted.code:
        ways.append(_BY_CODE)
        given |= {"code": wanted.code, "code_end": _end(wanted.code)}
    else:
        # The first names the columns.
        ways.append("SELECT '' AS whose, '' AS place WHERE false")
    ways += [_BY_NAME, _BY_BEGINNING, _BY_PART]
    given |= {"text_end": _end(wanted.text), "pairs": _all_of(_wanted_pairs(wanted.text))}
    if len(wanted.words) > 1:
        words = wanted.words[:_MOST_WORDS]
        ways.append(_BY_WORDS + "".join(f" AND instr(searched, :word{n})" for n in range(len(words))))
        given |= {f"word{n}": word for n, word in enumerate(words)}
        given["word_pairs"] = " ".join(_all_of(_wanted_pairs(word)) for word in words)
    if wanted.initials:
        ways.append(_BY_INITIALS)
        given |= {"initials": wanted.initials, "threes": _all_of(_wanted_threes(wanted.initials))}
    return ways, given


def _pairs(text: str) -> str:
    """A text's pairs of signs, the last sign also alone, so that each begins one."""
    signs = text.translate(_BESIDE)
    return " ".join({signs[n : n + 2] for n in range(len(signs))})


def _threes(initials: str) -> str:
    found = {line[n : n + 3] for line in initials.split("\n") for n in range(len(line) - 1)}
    return " ".join(found)


def _wanted_pairs(text: str) -> list[str]:
    signs = text.translate(_BESIDE)
    if len(signs) < 2:
        # Whatever begins with it.
        return [f'"{signs}"*']
    # Of a long text every second pair has all signs, at half the cost.
    step = 1 if len(signs) <= _SHORT else 2
    return [f'"{signs[n : n + 2]}"' for n in (*range(0, len(signs) - 2, step), len(signs) - 2)]


def _wanted_threes(initials: str) -> list[str]:
    if len(initials) < 3:
        return [f'"{initials}"*']
    return [f'"{initials[n : n + 3]}"' for n in range(len(initials) - 2)]


def _all_of(terms: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(terms))


def _end(text: str) -> str:
    """What comes after all that begins with a text."""
    while text:
        if (point := ord(text[-1])) < 0x10FFFF:
            # Between them are surrogates, which are no text.
            return text[:-1] + chr(point + 1 if point != 0xD7FF else 0xE000)
        text = text[:-1]
    return "\U0010ffff" * 64


def _version() -> str:
    """What the file depends on: another one is begun when it changes."""
    found = hashlib.sha256(_TABLES.encode())
    for letters, characters in pinyin_letters.CHARACTERS.items():
        found.update(f"{letters}{characters}".encode())
    return f"1 {found.hexdigest()[:16]}"


def _prepare(connection: sqlite3.Connection, kib: int) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{kib}")
    connection.execute("PRAGMA temp_store = MEMORY")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _free_place(folder: Path) -> tuple[Path, Any]:
    """A folder in it that no other process has, and what keeps it until this process ends."""
    number = 0
    while True:
        place = folder / f"search-{number}"
        place.mkdir(exist_ok=True, mode=0o700)
        lock = (place / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            number += 1
        else:
            return place, lock


@contextmanager
def _telling_damage() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as e:
        # A full disk, a lock and the like: the file is as it was.
        if "disk I/O error" not in str(e) and "no such table" not in str(e):
            raise
        raise IndexDamaged(str(e)) from e
    except sqlite3.DatabaseError as e:
        raise IndexDamaged(str(e)) from e
