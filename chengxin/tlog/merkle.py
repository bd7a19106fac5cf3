"""The transparency log as pure functions: RFC 6962 tree hashes and proofs, C2SP tlog-tiles paths.

The audit service, `chengxin audit`, `chengxin witness` and all who verify a proof share it. It does no I/O.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Self

HASH: Final = 32
# Hashes in a full tile, entries in a full bundle (tile height 8).
WIDTH: Final = 256
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """RFC 6962 section 2.1: the hash of an entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 6962 section 2.1: the hash of two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees of a tree, greatest first: all that is needed to append to it."""

    __slots__ = ("_roots", "size")

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        if size < 0 or len(roots) != size.bit_count() or any(len(r) != HASH for r in roots):
            raise ValueError(f"{len(roots)} hashes are no frontier of a tree of {size} entries")
        self.size = size
        self._roots = list(roots)

    @classmethod
    def unpack(cls, size: int, packed: bytes) -> Self:
        """Reads what `pack` gave. Raises `ValueError`."""
        return cls(size, split(packed))

    def pack(self) -> bytes:
        """The hashes one after the other."""
        return b"".join(self._roots)

    def copy(self) -> "Frontier":
        """An independent copy."""
        return Frontier(self.size, self._roots)

    def append(self, leaf: bytes) -> None:
        """Adds a leaf hash."""
        size = self.size
        while size & 1:
            leaf = node_hash(self._roots.pop(), leaf)
            size >>= 1
        self._roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The Merkle tree hash of the tree."""
        return fold(self._roots)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frontier) and (self.size, self._roots) == (other.size, other._roots)

    __hash__ = None  # type: ignore[assignment]


def fold(roots: Sequence[bytes]) -> bytes:
    """The root of a tree from the roots of its complete subtrees, greatest first."""
    if not roots:
        return EMPTY_ROOT
    root = roots[-1]
    for left in reversed(roots[:-1]):
        root = node_hash(left, root)
    return root


def split(packed: bytes) -> list[bytes]:
    """The hashes of a tile. Raises `ValueError` for half a hash."""
    if len(packed) % HASH:
        raise ValueError(f"{len(packed)} bytes are not a whole number of hashes")
    return [packed[n : n + HASH] for n in range(0, len(packed), HASH)]


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The root over `hashes`, as over those of a tile; at least one."""
    row = list(hashes)
    while len(row) > 1:
        paired = [node_hash(row[n], row[n + 1]) for n in range(0, len(row) - 1, 2)]
        # RFC 6962: the last of an odd number of hashes moves up unchanged.
        row = paired + row[len(row) & ~1 :]
    return row[0]


@dataclass(frozen=True, order=True)
class Tile:
    """A tile of hashes: level, index within the level, number of hashes."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Its path in a URL after the prefix, for example `tile/0/x001/234.p/17`."""
        return f"tile/{self.level}/{tile_number(self.index, self.width)}"

    @property
    def start(self) -> int:
        """The number of its first hash within the level."""
        return self.index * WIDTH

    @property
    def entries_path(self) -> str:
        """The path of the bundle with the entries of a tile of level 0."""
        return f"tile/entries/{tile_number(self.index, self.width)}"


def tile_number(index: int, width: int = WIDTH) -> str:
    """`<N>[.p/<W>]`: groups of three digits, all but the last with an `x` before it."""
    digits = f"{index % 1000:03d}"
    while index := index // 1000:
        digits = f"x{index % 1000:03d}/{digits}"
    return digits if width == WIDTH else f"{digits}.p/{width}"


def parse_tile_number(text: str) -> tuple[int, int] | None:
    """Index and width; None for what `tile_number` does not write."""
    number, partial, tail = text.partition(".p/")
    if not tail.isascii() or len(tail) > 3 or (partial and not tail.isdigit()):
        return None
    width = int(tail) if partial else WIDTH
    digits = number.replace("x", "").replace("/", "")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18 or not 1 <= width <= WIDTH:
        return None
    parsed = int(digits), width
    return parsed if tile_number(*parsed) == text else None


def level_size(size: int, level: int) -> int:
    """How many hashes a tree has at a tile level."""
    return size >> (8 * level)


def tiles_of_level(size: int, level: int) -> Iterator[Tile]:
    """The tiles of a level of a tree; the last is partial unless it is full."""
    full, rest = divmod(level_size(size, level), WIDTH)
    for index in range(full):
        yield Tile(level, index)
    if rest:
        yield Tile(level, full, rest)


def levels(size: int) -> range:
    """The tile levels of a tree."""
    top = 0
    while level_size(size, top):
        top += 1
    return range(top)


# Returns the bytes of a tile. Its exceptions pass through.
ReadTile = Callable[[Tile], bytes]


class TileTree:
    """A tree of a certain size, its hashes read from tiles."""

    def __init__(self, size: int, read: ReadTile) -> None:
        self.size = size
        self._read = read
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def node(self, height: int, number: int) -> bytes:
        """The hash of the complete subtree over entries `number << height` up to `(number + 1) << height`."""
        level, up = divmod(height, 8)
        index, offset = divmod(number << up, WIDTH)
        hashes = self._read_hashes(level, index)
        return subtree_root(hashes[offset : offset + (1 << up)])

    def root(self, size: int | None = None) -> bytes:
        """The root of the tree, or as it was when it had `size` entries."""
        return self._range_root(0, self.size if size is None else size)

    def leaf(self, index: int) -> bytes:
        """The hash of an entry."""
        return self.node(0, index)

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """RFC 6962 section 2.1.1: the audit path of an entry in the tree of `size` entries."""
        start, end = 0, self.size if size is None else size
        if not 0 <= index < end <= self.size:
            raise ValueError(f"entry {index} is not in a tree of {end} entries")
        path = []
        while end - start > 1:
            middle = start + _split_point(end - start)
            if index < middle:
                path.append(self._range_root(middle, end))
                end = middle
            else:
                path.append(self._range_root(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """RFC 6962 section 2.1.2: the proof that the tree of `first` entries begins the tree of `second` entries."""
        start, end = 0, self.size if second is None else second
        if not 0 < first <= end <= self.size:
            raise ValueError(f"a tree of {first} entries cannot be the beginning of one of {end}")
        path = []
        whole = True
        while first != end:
            middle = start + _split_point(end - start)
            if first <= middle:
                path.append(self._range_root(middle, end))
                end = middle
            else:
                path.append(self._range_root(start, middle))
                start = middle
                whole = False
        if not whole:
            path.append(self._range_root(start, end))
        return path[::-1]

    def _range_root(self, start: int, end: int) -> bytes:
        """The hash over the entries from `start` up to `end`; a subtree of that size must begin at `start`."""
        roots = []
        while start < end:
            height = (end - start).bit_length() - 1
            roots.append(self.node(height, start >> height))
            start += 1 << height
        return fold(roots)

    def _read_hashes(self, level: int, index: int) -> list[bytes]:
        if (level, index) not in self._tiles:
            width = min(WIDTH, level_size(self.size, level) - index * WIDTH)
            if width < 1:
                raise ValueError(f"a tree of {self.size} entries has no tile {level}/{index}")
            hashes = split(self._read(Tile(level, index, width)))
            if len(hashes) != width:
                raise ValueError(f"tile {level}/{index} has {len(hashes)} hashes in place of {width}")
            self._tiles[level, index] = hashes
        return self._tiles[level, index]


def verify_inclusion(index: int, tree_size: int, leaf: bytes, path: Sequence[bytes], root_hash: bytes) -> bool:
    """Whether `path` shows that the entry `index` has this leaf hash in the tree with this root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < tree_size:
        return False
    number, last, computed = index, tree_size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if number & 1 or number == last:
            computed = node_hash(sibling, computed)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and computed == root_hash


def verify_consistency(first: int, second: int, first_root: bytes, second_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` shows that the first tree is the beginning of the second (RFC 9162, 2.1.4.2)."""
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    rest = list(path)
    if not first & (first - 1):
        rest.insert(0, first_root)
    if not rest:
        return False
    number, last = first - 1, second - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    old = new = rest[0]
    for sibling in rest[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def pack_bundle(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry after its length in two bytes, big-endian."""
    return b"".join(len(e).to_bytes(2, "big") + e for e in entries)


def unpack_bundle(bundle: bytes) -> list[bytes]:
    """The entries of a bundle. Raises `ValueError` when it does not end where an entry ends."""
    entries: list[bytes] = []
    at = 0
    while at < len(bundle):
        end = at + 2 + int.from_bytes(bundle[at : at + 2], "big")
        if at + 2 > len(bundle) or end > len(bundle):
            raise ValueError(f"the bundle breaks off in its entry {len(entries)}")
        entries.append(bundle[at + 2 : end])
        at = end
    return entries


def _split_point(size: int) -> int:
    """The greatest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
