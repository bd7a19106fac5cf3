"""Verifying a copied log as a whole, offline, and saying where it is wrong."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chengxin.tlog import merkle
from chengxin.tlog.signed_note import Checkpoint, NoteError, VerifierKey
from chengxin_cli.audit_log.export import CHECKPOINT

# More are counted, not described.
_DESCRIBED: Final = 100


@dataclass(frozen=True)
class Place:
    """One wrong place: a file, the entry or hash in it, what should be there and what is."""

    path: str
    what: str
    expected: str = ""
    found: str = ""
    # Index of the entry in the log, where it is an entry that is wrong.
    index: int | None = None

    def __str__(self) -> str:
        compared = f": expected {self.expected}, found {self.found}" if self.expected else ""
        return f"{self.path}: {self.what}{compared}"


@dataclass
class Findings:
    """What verification found."""

    tree_size: int = 0
    root_hash: str = ""
    origin: str = ""
    problems: list[Place] = field(default_factory=list)
    # Problems beyond those described.
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.problems

    def add(self, place: Place) -> None:
        """Notes a wrong place."""
        if len(self.problems) < _DESCRIBED:
            self.problems.append(place)
        else:
            self.more += 1

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.ok,
            "origin": self.origin,
            "tree_size": self.tree_size,
            "root_hash": self.root_hash,
            "problems": [vars(p) for p in self.problems],
            "more": self.more,
        }

    def __str__(self) -> str:
        if self.ok:
            return f"{self.tree_size} events, root {self.root_hash}: everything agrees"
        return "; ".join(map(str, self.problems))


def verify_directory(directory: Path, vkey: str, earlier: str = "") -> Findings:
    """Verifies a log that `export_log` copied: signature, every entry against its hash, every tile against the one
    above, the root against the checkpoint, and that an `earlier` signed checkpoint is of the same log's past."""
    findings = Findings()
    try:
        key = VerifierKey.parse(vkey)
        note = (directory / CHECKPOINT).read_bytes().decode()
        checkpoint = Checkpoint.open(note, key)
    except (NoteError, UnicodeDecodeError, FileNotFoundError) as e:
        findings.add(Place(CHECKPOINT, _words(e)))
        return findings
    findings.origin, findings.tree_size = checkpoint.origin, checkpoint.size
    findings.root_hash = checkpoint.root.hex()
    _Walk(directory, checkpoint, findings).all()
    if earlier:
        _verify_past(directory, checkpoint, key, earlier, findings)
    return findings


class _Walk:
    """Once through every file of the log, from the entries up."""

    def __init__(self, directory: Path, checkpoint: Checkpoint, findings: Findings) -> None:
        self._directory = directory
        self._size = checkpoint.size
        self._checkpoint = checkpoint
        self._findings = findings
        # Hashes by level of the tiles that are partial: with them, from the top down, the root is made.
        self._edge: dict[int, list[bytes]] = {}
        self._tree = merkle.TileTree(checkpoint.size, lambda tile: (directory / tile.path).read_bytes())

    def all(self) -> None:
        """Verifies everything."""
        below: list[bytes | None] = []
        for level in merkle.levels(self._size):
            below = self._level(level, below)
        roots = [root for level in sorted(self._edge, reverse=True) for root in _complete(self._edge[level])]
        whole = sum(len(self._edge[level]) << (8 * level) for level in self._edge)
        if whole == self._size and (found := merkle.fold(roots)) != self._checkpoint.root:
            what = "the root hash over the tiles is not the signed one"
            self._findings.add(Place(CHECKPOINT, what, self._checkpoint.root.hex(), found.hex()))

    def _level(self, level: int, below: list[bytes | None]) -> list[bytes | None]:
        """Verifies the tiles of a level against the roots of those below; gives the roots of its own full tiles."""
        roots: list[bytes | None] = []
        for tile in merkle.tiles_of_level(self._size, level):
            hashes = self._hashes(tile)
            if hashes is not None:
                if level:
                    self._compare(tile, hashes, below)
                else:
                    self._entries(tile, hashes)
            if tile.width == merkle.WIDTH:
                roots.append(merkle.subtree_root(hashes) if hashes else None)
            elif hashes:
                self._edge[level] = hashes
        return roots

    def _hashes(self, tile: merkle.Tile) -> list[bytes] | None:
        data = self._read(tile.path)
        if data is None:
            return None
        if len(data) != tile.width * merkle.HASH:
            self._wrong(tile.path, "the tile has the wrong length", f"{tile.width * merkle.HASH} bytes", f"{len(data)}")
            return None
        return merkle.split(data)

    def _entries(self, tile: merkle.Tile, hashes: list[bytes]) -> None:
        bundle = self._read(tile.entries_path)
        if bundle is None:
            return
        entries, broken = _unpack(bundle)
        for number, entry in enumerate(entries[: tile.width]):
            if (found := merkle.leaf_hash(entry)) != hashes[number]:
                self._differ(tile, number, hashes[number], found)
        if broken or len(entries) != tile.width:
            index = tile.start + min(len(entries), tile.width)
            what = f"the bundle is not whole from entry {index} on"
            place = Place(tile.entries_path, what, f"{tile.width} entries", f"{len(entries)}", index)
            self._findings.add(place)

    def _differ(self, tile: merkle.Tile, number: int, stored: bytes, found: bytes) -> None:
        """An entry and its hash differ. The path from the hash up to the signed root says which of them was altered."""
        index = tile.start + number
        if self._is_signed(index, stored):
            what = f"the event was altered: entry {index} does not have the hash that {tile.path} holds"
            place = Place(tile.entries_path, what, stored.hex(), found.hex(), index)
        elif self._is_signed(index, found):
            what = f"the hash was altered: hash {number} is not that of entry {index} in {tile.entries_path}"
            place = Place(tile.path, what, found.hex(), stored.hex(), index)
        else:
            what = f"entry {index} does not have the hash that {tile.path} holds, and neither is under the signed root"
            place = Place(tile.entries_path, what, stored.hex(), found.hex(), index)
        self._findings.add(place)

    def _is_signed(self, index: int, leaf: bytes) -> bool:
        try:
            path = self._tree.inclusion(index)
        except (ValueError, OSError):
            return False
        return merkle.verify_inclusion(index, self._size, leaf, path, self._checkpoint.root)

    def _compare(self, tile: merkle.Tile, hashes: list[bytes], below: list[bytes | None]) -> None:
        for number, stored in enumerate(hashes):
            root = below[tile.start + number]
            if root is not None and root != stored:
                lower = merkle.Tile(tile.level - 1, tile.start + number)
                what = f"hash {number} is not the root of {lower.path}"
                self._wrong(tile.path, what, stored.hex(), root.hex())

    def _read(self, path: str) -> bytes | None:
        try:
            return (self._directory / path).read_bytes()
        except FileNotFoundError:
            self._wrong(path, "the file is missing")
            return None

    def _wrong(self, path: str, what: str, expected: str = "", found: str = "") -> None:
        self._findings.add(Place(path, what, expected, found))


def _unpack(bundle: bytes) -> tuple[list[bytes], bool]:
    """The entries of a bundle up to where it breaks off, and whether it does."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            return entries, True
        entries.append(bundle[at + 2 : end])
        at = end
    return entries, False


def _complete(hashes: list[bytes]) -> list[bytes]:
    """The roots of the complete subtrees over the hashes of a partial tile, greatest first."""
    frontier = merkle.Frontier()
    for found in hashes:
        frontier.append(found)
    return merkle.split(frontier.pack())


def _verify_past(directory: Path, checkpoint: Checkpoint, key: VerifierKey, earlier: str, findings: Findings) -> None:
    try:
        past = Checkpoint.open(earlier, key)
    except NoteError as e:
        findings.add(Place("earlier checkpoint", _words(e)))
        return
    if past.size > checkpoint.size:
        findings.add(Place("earlier checkpoint", "the log has shrunk", f">= {past.size}", str(checkpoint.size)))
        return
    try:
        found = merkle.TileTree(checkpoint.size, lambda tile: (directory / tile.path).read_bytes()).root(past.size)
    except (ValueError, OSError) as e:
        findings.add(Place("earlier checkpoint", f"cannot be compared: {_words(e)}"))
        return
    if found != past.root:
        what = f"the first {past.size} entries are not those that were signed then: history was rewritten"
        findings.add(Place("earlier checkpoint", what, past.root.hex(), found.hex()))


def _words(error: Exception) -> str:
    return "the file is missing" if isinstance(error, FileNotFoundError) else str(error)
