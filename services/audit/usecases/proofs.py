"""What anybody can verify: the checkpoint, tiles of hashes, proofs. They hold hashes of events and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.tlog import merkle
from chengxin.tlog.signed_note import Checkpoint, split_note
from chengxin.values.acts import Act
from services.audit.context import AuditContext
from services.audit.domain.alterations import Alteration, LogAltered, RowFault
from services.audit.domain.event import EVENT_NOT_FOUND, NOT_YET_PUBLISHED, TILE_NOT_FOUND, EventSearch
from services.audit.store.log_reader import LogReader
from services.audit.store.rows import Published

_EVERYBODY = set(Role)


@dataclass(frozen=True)
class Inclusion:
    """Proof that an entry is in the tree of a certain size."""

    index: int
    tree_size: int
    leaf_hash: bytes
    path: list[bytes]
    root_hash: bytes


@dataclass(frozen=True)
class Consistency:
    """Proof that a tree is the beginning of a larger one."""

    first_size: int
    second_size: int
    path: list[bytes]


@query(Act.CHECKPOINT_READ, roles=_EVERYBODY, articles=("31",), unrecorded="it holds hashes of events alone")
def checkpoint(ctx: AuditContext, caller: Principal) -> Published:
    """The latest signed checkpoint."""
    return ctx.integrator.published


@query(Act.INCLUSION_PROVED, roles=_EVERYBODY, articles=("31",), unrecorded="it holds hashes of events alone")
def inclusion(ctx: AuditContext, caller: Principal, index: int | None, event_id: str, tree_size: int = 0) -> Inclusion:
    """Proves that an event, by index or id, is in the log of a size; 0 is the size of the latest checkpoint."""
    size = _size(ctx, "tree_size", tree_size)
    if (index is None) == (not event_id):
        raise INPUT_INVALID(fields=[FieldError("event_id", "one", "event_id 或 index 之一 / either event_id or index")])
    at = _index_of(ctx, event_id) if index is None else index
    if not 0 <= at < ctx.appender.size():
        raise EVENT_NOT_FOUND(what=at)
    if at >= size:
        if tree_size:
            message = f"序号 {at} 不在其中 / entry {at} is not in it"
            raise INPUT_INVALID(fields=[FieldError("tree_size", "range", message)])
        raise NOT_YET_PUBLISHED(what=event_id or at, retry_after=1)
    tree = _SignedTree(ctx.integrator.published, ctx.reader)
    return tree.inclusion(at, size)


@query(Act.CONSISTENCY_PROVED, roles=_EVERYBODY, articles=("31",), unrecorded="it holds hashes of events alone")
def consistency(ctx: AuditContext, caller: Principal, first_size: int, second_size: int = 0) -> Consistency:
    """Proves that the log of one size is the beginning of a larger one; 0 is the size of the latest checkpoint."""
    second = _size(ctx, "second_size", second_size)
    if not 1 <= first_size <= second:
        raise INPUT_INVALID(fields=[FieldError("first_size", "range", f"1 … {second}")])
    tree = _SignedTree(ctx.integrator.published, ctx.reader)
    return Consistency(first_size, second, tree.consistency(first_size, second))


def tile(ctx: AuditContext, wanted: merkle.Tile) -> bytes:
    """Returns the hashes of a tile under the latest checkpoint. Raises TILE_NOT_FOUND."""
    must_exist(ctx, wanted, wanted.path)
    return ctx.reader.tile(wanted)


def must_exist(ctx: AuditContext, wanted: merkle.Tile, path: str) -> None:
    """Raises TILE_NOT_FOUND for a tile that the latest checkpoint does not cover."""
    if wanted.start + wanted.width > merkle.level_size(ctx.integrator.published.size, wanted.level):
        raise TILE_NOT_FOUND(what=path)


def parse_tile(level: str, number: str) -> merkle.Tile:
    """Returns the tile that the level and the number in an address name. Raises TILE_NOT_FOUND."""
    found = merkle.parse_tile_number(number)
    known = level.isascii() and level.isdigit() and str(int(level)) == level and int(level) < 64
    if found is None or not known:
        raise TILE_NOT_FOUND(what=f"tile/{level}/{number}"[:100])
    return merkle.Tile(int(level), *found)


class _SignedTree:
    """Proofs from the stored tiles. Each is verified against the signed checkpoint, as its reader would do it, before it
    is answered: of a tile that was altered, no proof is given. Raises `LogAltered`."""

    def __init__(self, published: Published, reader: LogReader) -> None:
        signed = Checkpoint.parse(split_note(published.note)[0])
        self._size, self._root = signed.size, signed.root
        self._tree = merkle.TileTree(signed.size, reader.tile)

    def inclusion(self, index: int, size: int) -> Inclusion:
        """The proof that an entry is in the tree of `size` entries."""
        with self._from_tiles():
            root = self._signed_root(size)
            proof = Inclusion(index, size, self._tree.leaf(index), self._tree.inclusion(index, size), root)
            if not merkle.verify_inclusion(index, size, proof.leaf_hash, proof.path, root):
                raise ValueError(f"they do not prove entry {index}")
            return proof

    def consistency(self, first: int, second: int) -> list[bytes]:
        """The proof that the tree of `first` entries begins the tree of `second` entries."""
        with self._from_tiles():
            path = self._tree.consistency(first, second)
            roots = self._signed_root(first), self._signed_root(second)
            if not merkle.verify_consistency(first, second, *roots, path):
                raise ValueError(f"they do not prove {first} in {second}")
            return path

    def _signed_root(self, size: int) -> bytes:
        """The root at a size, as the signed root proves it."""
        root = self._tree.root(size)
        if not merkle.verify_consistency(size, self._size, root, self._root, self._tree.consistency(size)):
            raise ValueError(f"they do not have the signed root of {self._size} entries")
        return root

    @contextmanager
    def _from_tiles(self) -> Iterator[None]:
        try:
            yield
        except ValueError as e:
            tiles = Alteration("tiles", f"of the first {self._size} entries", RowFault.DIFFERS, str(e))
            raise LogAltered(tiles) from None


def _size(ctx: AuditContext, name: str, asked: int) -> int:
    published = ctx.integrator.published.size
    if not 0 <= asked <= published:
        raise INPUT_INVALID(fields=[FieldError(name, "range", f"0 … {published}")])
    return asked or published


def _index_of(ctx: AuditContext, event_id: str) -> int:
    ctx.integrator.wait(ctx.appender.size())
    found = ctx.index.search(EventSearch(event_id=event_id), 0, 1)
    if not found:
        raise EVENT_NOT_FOUND(what=event_id[:64])
    return found[0]
