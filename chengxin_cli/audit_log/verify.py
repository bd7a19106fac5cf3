"""Verifies a copied log as a whole, offline, and reports where it is wrong."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from chengxin.tlog import merkle
from chengxin.tlog.signed_note import Checkpoint, NoteError, VerifierKey
from chengxin_cli.audit_log.export import CHECKPOINT

# Further problems are counted, not described.
_MOST_DESCRIBED: Final = 100


# The place of what is wrong with the file that the log is compared with.
GIVEN: Final = "the file of the earlier checkpoint"


@dataclass(frozen=True)
class Place:
    """One wrong place: a file, the entry or hash in it, what should be there and what is."""

    path: str
    what: str
    expected: str = ""
    found: str = ""
    # Index of the entry in the log, when an entry is wrong.
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
    # The size of the earlier checkpoint of which the log was compared to be a continuation; None: of none.
    continues: int | None = None
    problems: list[Place] = field(default_factory=list)
    # The number of problems beyond those described.
    more: int = 0

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.problems

    def add(self, place: Place) -> None:
        """Adds a wrong place; when there are many already, only counts it."""
        if len(self.problems) < _MOST_DESCRIBED:
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
            "continues": self.continues,
            "problems": [vars(p) for p in self.problems],
            "more": self.more,
        }

    def __str__(self) -> str:
        if self.ok:
            return f"{self.tree_size} events, root {self.root_hash}: everything agrees"
        return "; ".join(map(str, self.problems))


def verify_directory(directory: Path, vkey: str, earlier: str | None = None) -> Findings:
    """Verifies a log that `export_log` copied: signature, every entry against its hash, every tile against the one
    above, the root against the checkpoint, and whether an `earlier` signed checkpoint is of the same log's past."""
    findings = Findings()
    try:
        key = VerifierKey.parse(vkey)
        note = (directory / CHECKPOINT).read_bytes().decode()
        checkpoint = Checkpoint.open(note, key)
    except (NoteError, UnicodeDecodeError, OSError) as e:
        findings.add(Place(CHECKPOINT, _describe(e)))
        return findings
    findings.origin, findings.tree_size = checkpoint.origin, checkpoint.size
    findings.root_hash = checkpoint.root.hex()
    _LogVerifier(directory, checkpoint, findings).verify()
    if earlier is not None:
        _verify_past(directory, checkpoint, key, earlier, findings)
    return findings


class _LogVerifier:
    """Goes once through every file of the log, from the entries up."""

    def __init__(self, directory: Path, checkpoint: Checkpoint, findings: Findings) -> None:
        self._directory = directory
        self._size = checkpoint.size
        self._checkpoint = checkpoint
        self._findings = findings
        # Hashes of the partial tiles by level: from the top down, they make the root.
        self._partial_tiles: dict[int, list[bytes]] = {}
        self._tree = merkle.TileTree(checkpoint.size, lambda tile: (directory / tile.path).read_bytes())

    def verify(self) -> None:
        roots_below: list[bytes | None] = []
        for level in merkle.levels(self._size):
            roots_below = self._verify_level(level, roots_below)
        roots = [
            root
            for level in sorted(self._partial_tiles, reverse=True)
            for root in _compute_subtree_roots(self._partial_tiles[level])
        ]
        covered = sum(len(self._partial_tiles[level]) << (8 * level) for level in self._partial_tiles)
        if covered == self._size and (actual := merkle.fold(roots)) != self._checkpoint.root:
            what = "the root hash over the tiles is not the signed one"
            self._findings.add(Place(CHECKPOINT, what, self._checkpoint.root.hex(), actual.hex()))

    def _verify_level(self, level: int, roots_below: list[bytes | None]) -> list[bytes | None]:
        """Verifies the tiles of a level against the roots of those below; returns the roots of its own full tiles."""
        roots: list[bytes | None] = []
        for tile in merkle.tiles_of_level(self._size, level):
            hashes = self._read_hashes(tile)
            if hashes is not None:
                if level:
                    self._verify_hashes(tile, hashes, roots_below)
                else:
                    self._verify_entries(tile, hashes)
            if tile.width == merkle.WIDTH:
                roots.append(merkle.subtree_root(hashes) if hashes else None)
            elif hashes:
                self._partial_tiles[level] = hashes
        return roots

    def _read_hashes(self, tile: merkle.Tile) -> list[bytes] | None:
        data = self._read(tile.path)
        if data is None:
            return None
        if len(data) != tile.width * merkle.HASH:
            self._report(
                tile.path, "the tile has the wrong length", f"{tile.width * merkle.HASH} bytes", f"{len(data)}"
            )
            return None
        return merkle.split(data)

    def _verify_entries(self, tile: merkle.Tile, hashes: list[bytes]) -> None:
        bundle = self._read(tile.entries_path)
        if bundle is None:
            return
        entries, broken = _unpack(bundle)
        for number, entry in enumerate(entries[: tile.width]):
            if (actual := merkle.leaf_hash(entry)) != hashes[number]:
                self._report_difference(tile, number, hashes[number], actual)
        if broken or len(entries) != tile.width:
            index = tile.start + min(len(entries), tile.width)
            what = f"the bundle is not whole from entry {index} on"
            place = Place(tile.entries_path, what, f"{tile.width} entries", f"{len(entries)}", index)
            self._findings.add(place)

    def _report_difference(self, tile: merkle.Tile, number: int, stored: bytes, actual: bytes) -> None:
        """Reports that an entry and its hash differ. The path up to the signed root shows which of them was altered."""
        index = tile.start + number
        if self._is_signed(index, stored):
            what = f"the event was altered: entry {index} does not have the hash that {tile.path} holds"
            place = Place(tile.entries_path, what, stored.hex(), actual.hex(), index)
        elif self._is_signed(index, actual):
            what = f"the hash was altered: hash {number} is not that of entry {index} in {tile.entries_path}"
            place = Place(tile.path, what, actual.hex(), stored.hex(), index)
        else:
            what = f"entry {index} does not have the hash that {tile.path} holds, and neither is under the signed root"
            place = Place(tile.entries_path, what, stored.hex(), actual.hex(), index)
        self._findings.add(place)

    def _is_signed(self, index: int, leaf: bytes) -> bool:
        try:
            path = self._tree.inclusion(index)
        except (ValueError, OSError):
            return False
        return merkle.verify_inclusion(index, self._size, leaf, path, self._checkpoint.root)

    def _verify_hashes(self, tile: merkle.Tile, hashes: list[bytes], roots_below: list[bytes | None]) -> None:
        for number, stored in enumerate(hashes):
            root = roots_below[tile.start + number]
            if root is not None and root != stored:
                lower = merkle.Tile(tile.level - 1, tile.start + number)
                what = f"hash {number} is not the root of {lower.path}"
                self._report(tile.path, what, stored.hex(), root.hex())

    def _read(self, path: str) -> bytes | None:
        try:
            return (self._directory / path).read_bytes()
        except OSError as e:
            self._report(path, _describe(e))
            return None

    def _report(self, path: str, what: str, expected: str = "", found: str = "") -> None:
        self._findings.add(Place(path, what, expected, found))


def _unpack(bundle: bytes) -> tuple[list[bytes], bool]:
    """The entries of a bundle up to where it breaks off, and whether it does."""
    entries: list[bytes] = []
    start = 0
    while start < len(bundle):
        end = start + 2 + int.from_bytes(bundle[start : start + 2], "big")
        if start + 2 > len(bundle) or end > len(bundle):
            return entries, True
        entries.append(bundle[start + 2 : end])
        start = end
    return entries, False


def _compute_subtree_roots(hashes: list[bytes]) -> list[bytes]:
    """The roots of the complete subtrees over the hashes of a partial tile, greatest first."""
    frontier = merkle.Frontier()
    for node in hashes:
        frontier.append(node)
    return merkle.split(frontier.pack())


def _verify_past(directory: Path, checkpoint: Checkpoint, key: VerifierKey, earlier: str, findings: Findings) -> None:
    try:
        past = Checkpoint.open(earlier, key)
    except NoteError as e:
        findings.add(Place(GIVEN, f"{_describe(e)}; compare this file with what was saved, the log is not to blame"))
        return
    if past.size > checkpoint.size:
        findings.add(Place("earlier checkpoint", "the log has shrunk", f">= {past.size}", str(checkpoint.size)))
        return
    try:
        root = merkle.TileTree(checkpoint.size, lambda tile: (directory / tile.path).read_bytes()).root(past.size)
    except (ValueError, OSError) as e:
        findings.add(Place("earlier checkpoint", f"cannot be compared: {_describe(e)}"))
        return
    if root != past.root:
        what = f"the first {past.size} entries are not those that were signed then: history was rewritten"
        findings.add(Place("earlier checkpoint", what, past.root.hex(), root.hex()))
        return
    findings.continues = past.size


def _describe(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    return f"the file cannot be read ({error.strerror})" if isinstance(error, OSError) else str(error)
