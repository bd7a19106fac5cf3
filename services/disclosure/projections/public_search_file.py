"""The public search's index: one SQLite file of one process, with what the public may see and nothing else.

The index finds texts by pairs of signs (FTS5 keeps the names that have each pair), and pinyin initials by threes. Then
it compares the hits in full. It commits the number of the last change together with the changes, so that a process that
is killed goes on where it was. Decision 25 has the measurements.
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

from chengxin.bounds import own
from chengxin.values import character_tables
from chengxin.values.text_forms import search_key
from services.disclosure.domain import pinyin_letters
from services.disclosure.domain.text_normalisation import readings
from services.disclosure.projections.search_statement import SearchTerms, pairs_of, search_statement, threes_of

READERS: Final = 4
# Memory that a connection uses for pages of the file; SQLite takes no more for them.
_READER_KIB: Final = 4 * 1024
_WRITER_KIB: Final = 16 * 1024
CACHE_BYTES: Final = (READERS * _READER_KIB + _WRITER_KIB) * 1024

# The names of one subject have successive numbers.
_NAMES_PER_SUBJECT: Final = 1 << 16
_TABLES: Final = """
CREATE TABLE about (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE subjects (id INTEGER PRIMARY KEY, ref TEXT NOT NULL UNIQUE, uscc TEXT NOT NULL, until TEXT NOT NULL,
  leader TEXT, told TEXT NOT NULL);
CREATE INDEX by_code ON subjects (uscc, ref, until, leader) WHERE uscc != '';
CREATE INDEX by_leader ON subjects (leader) WHERE leader IS NOT NULL;
CREATE TABLE names (id INTEGER PRIMARY KEY, searched TEXT NOT NULL, initials TEXT NOT NULL, until TEXT NOT NULL,
  uscc TEXT NOT NULL, ref TEXT NOT NULL, leader TEXT);
CREATE INDEX by_name ON names (searched);
CREATE TABLE lookups (key TEXT NOT NULL, id INTEGER NOT NULL, until TEXT NOT NULL, ref TEXT NOT NULL, leader TEXT,
  PRIMARY KEY (key, id)) WITHOUT ROWID;
CREATE INDEX by_subject ON lookups (id);
CREATE VIRTUAL TABLE pairs USING fts5(text, content='', columnsize=0, detail=none, tokenize='ascii', prefix='1');
CREATE VIRTUAL TABLE threes USING fts5(text, content='', columnsize=0, detail=none, tokenize='ascii', prefix='2');
"""

own(
    __name__,
    "sqlite3.connect",
    "sqlite3.connect",
    resource="Connections to the index of the public search",
    total=READERS + 1,
    why="A search waits for one",
)


class IndexDamaged(Exception):
    """The file does not have what was written to it."""


@dataclass(frozen=True)
class IndexedSubject:
    """A subject as it goes into the index. One without `until` is not found. `told` is JSON that searches return."""

    ref: str
    uscc: str
    until: str
    # The strongest reference of the same subject; empty when it is alone.
    leader: str
    # The names, each with its last day.
    names: Sequence[tuple[str, str]]
    # What a person is found by, each with its last day.
    lookups: Sequence[tuple[str, str]]
    told: str


@dataclass(frozen=True)
class SearchHits:
    """What a search found: the number of names and codes looked at, and of subjects; the references on the page; and
    `told`, which has reference, leader and JSON of these and of other references of the same subjects."""

    looked_at: int
    subjects: int
    page: Sequence[str]
    told: Sequence[tuple[str, str | None, Any]]


class SearchFile:
    """The index. One thread at a time may write; any thread may search."""

    def __init__(self, folder: Path, identity: str) -> None:
        """Opens the index of a store, or begins one. Raises `OSError` and `sqlite3.OperationalError`."""
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._identity = f"{_version()} {identity}"
        self._folder, self._lock = _lock_free_folder(folder)
        self.position = 0
        # Why an existing file is not used; empty when it is used, or none existed.
        self.refused = ""
        # There is more than one file only where a process was killed while it began again.
        files = sorted(self._folder.glob("*.db"))
        if len(files) != 1 or not self._open_existing(files[0]):
            self._begin()

    def _open_existing(self, path: Path) -> bool:
        try:
            self._connect(path)
            if self._read_about("identity") == self._identity:
                self.position = int(self._read_about("position"))
                return True
            self.refused = "it is of another store or version"
        except sqlite3.Error as e:
            self.refused = str(e)
        self._disconnect()
        return False

    def begin_anew(self) -> None:
        """Drops the file, and begins an empty one."""
        self._disconnect()
        self._begin()

    def _begin(self) -> None:
        # The new file has another name, because a search that still reads the old file removes its journal at the end.
        for old_file in self._folder.glob("*.db*"):
            old_file.unlink(missing_ok=True)
        self._connect(self._folder / f"{secrets.token_hex(8)}.db")
        self._writer.executescript(f"BEGIN; {_TABLES} COMMIT;")
        self._writer.executemany("INSERT INTO about VALUES (?, ?)", [("position", 0), ("identity", self._identity)])
        self.position = 0

    def _connect(self, path: Path) -> None:
        self.path = path
        self._readers = _ReaderPool()
        self._writer = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        _prepare(self._writer, _WRITER_KIB)
        self._writer.execute("PRAGMA journal_mode = WAL")
        for _ in range(READERS):
            reader = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._readers.give_back(reader)
            _prepare(reader, _READER_KIB)
            reader.execute("PRAGMA query_only = ON")

    def _disconnect(self) -> None:
        """Closes the connections. Searches that are under way keep theirs until they end."""
        self._readers.close()
        self._writer.close()

    def _read_about(self, key: str) -> Any:
        row = self._writer.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    @property
    def size(self) -> int:
        """The size in bytes on disk."""
        return sum(_size(file) for file in self._folder.glob("*.db*"))

    def take_in(self, entries: Sequence[IndexedSubject], position: int) -> None:
        """Writes subjects, again or for the first time, and the number of the last change. Raises `IndexDamaged`."""
        with _report_damage():
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
        writer = self._writer
        known: dict[str, int] = {}
        unchanged: set[str] = set()
        query = "SELECT id, ref, uscc, until, ifnull(leader, ''), told FROM subjects WHERE ref IN (SELECT value FROM json_each(?))"
        for number, *rest in writer.execute(query, (json.dumps(list(entries)),)).fetchall():
            entry = entries[rest[0]]
            known[entry.ref] = number
            if rest == [entry.ref, entry.uscc, entry.until, entry.leader, entry.told]:
                unchanged.add(entry.ref)
        # Changed subjects keep their numbers, so the highest number is read before they are removed.
        last = writer.execute("SELECT ifnull(max(id), 0) FROM subjects").fetchone()[0]
        self._remove([number for ref, number in known.items() if ref not in unchanged])
        subjects: list[Any] = []
        names: list[Any] = []
        pairs: list[Any] = []
        threes: list[Any] = []
        lookups: list[Any] = []
        for ref, entry in entries.items():
            if ref in unchanged or not entry.until:
                continue
            if (number := known.get(ref, 0)) == 0:
                number = last = last + 1
            leader = entry.leader or None
            subjects.append((number, ref, entry.uscc, entry.until, leader, entry.told))
            lookups += ((key, number, min(until, entry.until), ref, leader) for key, until in entry.lookups)
            for slot, (name, until) in enumerate(entry.names[:_NAMES_PER_SUBJECT]):
                key = number * _NAMES_PER_SUBJECT + slot
                searched = search_key(name)
                # Each reading follows the end of a line, so that a search can recognise its beginning.
                initials = "".join(f"\n{reading}" for reading in readings(name))
                names.append((key, searched, initials, min(until, entry.until), entry.uscc, ref, leader))
                pairs.append((key, pairs_of(searched)))
                if initials:
                    threes.append((key, threes_of(initials)))
        writer.executemany("INSERT INTO subjects VALUES (?, ?, ?, ?, ?, ?)", subjects)
        writer.executemany("INSERT INTO names VALUES (?, ?, ?, ?, ?, ?, ?)", names)
        writer.executemany("INSERT INTO lookups VALUES (?, ?, ?, ?, ?)", lookups)
        writer.executemany("INSERT INTO pairs (rowid, text) VALUES (?, ?)", pairs)
        writer.executemany("INSERT INTO threes (rowid, text) VALUES (?, ?)", threes)

    def _remove(self, numbers: Sequence[int]) -> None:
        writer = self._writer
        for number in numbers:
            key_range = (number * _NAMES_PER_SUBJECT, (number + 1) * _NAMES_PER_SUBJECT - 1)
            for key, searched, initials in writer.execute(
                "SELECT id, searched, initials FROM names WHERE id BETWEEN ? AND ?", key_range
            ).fetchall():
                # The FTS5 tables keep no texts, so a deletion has to name the text.
                delete = "INSERT INTO {0} ({0}, rowid, text) VALUES ('delete', ?, ?)"
                writer.execute(delete.format("pairs"), (key, pairs_of(searched)))
                if initials:
                    writer.execute(delete.format("threes"), (key, threes_of(initials)))
            writer.execute("DELETE FROM names WHERE id BETWEEN ? AND ?", key_range)
            writer.execute("DELETE FROM lookups WHERE id = ?", (number,))
            writer.execute("DELETE FROM subjects WHERE id = ?", (number,))

    def search(self, wanted: SearchTerms, limit: int, start: int, size: int) -> SearchHits:
        """Returns subjects from the `start`th on, best first, and looks at no more than `limit` names and codes. Raises
        `IndexDamaged`."""
        sql, parameters = search_statement(wanted)
        parameters |= {"limit": limit, "start": start, "size": size}
        readers = self._readers
        reader = readers.take()
        if reader is None:
            raise IndexDamaged("it is being made anew")
        try:
            with _report_damage():
                looked_at, subjects, page, told = reader.execute(sql, parameters).fetchone()
        finally:
            readers.give_back(reader)
        return SearchHits(looked_at, subjects, json.loads(page), json.loads(told))

    def close(self) -> None:
        """Closes the file, so that another process can use it."""
        self._disconnect()
        self._lock.close()


class _ReaderPool:
    """A pool of connections that search. A search takes one, uses it and gives it back."""

    def __init__(self) -> None:
        self._free: list[sqlite3.Connection] = []
        self._change = threading.Condition()
        self._closed = False

    def take(self) -> sqlite3.Connection | None:
        """Takes a connection as soon as one is free; None when the pool is closed."""
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


def _version() -> str:
    """Returns a digest of what the file depends on. When it changes, a new file is begun."""
    version_hash = hashlib.sha256(_TABLES.encode())
    for letters, characters in pinyin_letters.CHARACTERS.items():
        version_hash.update(f"{letters}{characters}".encode())
    for table in (character_tables.HIDDEN, character_tables.LOOKS_LIKE, character_tables.TRADITIONAL):
        version_hash.update(table.encode())
    # Counts the changes of `search_key` itself.
    return f"2 {version_hash.hexdigest()[:16]}"


def _prepare(connection: sqlite3.Connection, kib: int) -> None:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA cache_size = -{kib}")
    connection.execute("PRAGMA temp_store = MEMORY")


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _lock_free_folder(folder: Path) -> tuple[Path, Any]:
    """Returns a folder in `folder` that no other process uses, and the lock that keeps it until this process ends."""
    number = 0
    while True:
        candidate = folder / f"search-{number}"
        candidate.mkdir(exist_ok=True, mode=0o700)
        lock = (candidate / "lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            number += 1
        else:
            return candidate, lock


@contextmanager
def _report_damage() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as e:
        # The other causes are a full disk, a lock and the like, which leave the file as it was.
        if "disk I/O error" not in str(e) and "no such table" not in str(e):
            raise
        raise IndexDamaged(str(e)) from e
    except sqlite3.DatabaseError as e:
        raise IndexDamaged(str(e)) from e
