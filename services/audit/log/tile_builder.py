"""Makes full tiles of the leaf hashes, one after another, from wherever in the tree it is told to begin."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from chengxin.tlog import merkle


@dataclass(frozen=True)
class FullTile:
    """A tile that became full, its hashes one after the other, and its root."""

    tile: merkle.Tile
    hashes: bytes
    root: bytes


class TileBuilder:
    """Keeps the hashes of the tiles that are not full yet, by level."""

    def __init__(self, partial_tiles: Iterable[Sequence[bytes]] = ()) -> None:
        self._partial_tiles = [list(hashes) for hashes in partial_tiles]

    def add(self, leaf: bytes, size: int) -> Iterator[FullTile]:
        """Adds the leaf that makes the log `size` entries long; yields the tiles that become full, lowest first."""
        node = leaf
        for level in range(len(self._partial_tiles) + 1):
            if level == len(self._partial_tiles):
                self._partial_tiles.append([])
            hashes = self._partial_tiles[level]
            hashes.append(node)
            if len(hashes) < merkle.WIDTH:
                return
            self._partial_tiles[level] = []
            node = merkle.subtree_root(hashes)
            tile = merkle.Tile(level, merkle.level_size(size, level + 1) - 1)
            yield FullTile(tile, b"".join(hashes), node)
