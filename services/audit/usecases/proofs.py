"""What anybody can verify: the checkpoint, tiles of hashes, proofs. They hold hashes of events and nothing else."""

from dataclasses import dataclass

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.tlog import merkle
from chengxin.values.acts import Act
from services.audit.context import AuditContext
from services.audit.domain.event import EVENT_NOT_FOUND, NOT_YET_PUBLISHED, TILE_NOT_FOUND, EventSearch
from services.audit.store.log import Published

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
    tree = merkle.TileTree(size, ctx.reader.tile)
    return Inclusion(at, size, tree.leaf(at), tree.inclusion(at), tree.root())


@query(Act.CONSISTENCY_PROVED, roles=_EVERYBODY, articles=("31",), unrecorded="it holds hashes of events alone")
def consistency(ctx: AuditContext, caller: Principal, first_size: int, second_size: int = 0) -> Consistency:
    """Proves that the log of one size is the beginning of a larger one; 0 is the size of the latest checkpoint."""
    second = _size(ctx, "second_size", second_size)
    if not 1 <= first_size <= second:
        raise INPUT_INVALID(fields=[FieldError("first_size", "range", f"1 … {second}")])
    return Consistency(first_size, second, merkle.TileTree(second, ctx.reader.tile).consistency(first_size))


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
