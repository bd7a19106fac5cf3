"""The tree is compared with pymerkle, and with RFC 6962 transcribed literally."""

import hashlib

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chengxin.tlog import merkle
from chengxin.tlog.merkle import Frontier, Tile, TileTree, leaf_hash, node_hash

Entries = list[bytes]
sizes = st.integers(1, 700)


def naive_root(leaves: Entries) -> bytes:
    """RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return node_hash(naive_root(leaves[:k]), naive_root(leaves[k:]))


def naive_inclusion(m: int, leaves: Entries) -> Entries:
    """RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    if m < k:
        return [*naive_inclusion(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_inclusion(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m: int, leaves: Entries, whole: bool = True) -> Entries:
    """RFC 6962 section 2.1.2."""
    n = len(leaves)
    if m == n:
        return [] if whole else [naive_root(leaves)]
    k = 1
    while k * 2 < n:
        k *= 2
    if m <= k:
        return [*naive_consistency(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], False), naive_root(leaves[:k])]


def leaves_of(size: int) -> Entries:
    return [leaf_hash(b"%d" % n) for n in range(size)]


def tree_of(leaves: Entries) -> TileTree:
    def read(tile: Tile) -> bytes:
        span = 256**tile.level
        starts = range(tile.start * span, (tile.start + tile.width) * span, span)
        return b"".join(naive_root(leaves[start : start + span]) for start in starts)

    return TileTree(len(leaves), read)


ALL = leaves_of(700)


@given(sizes, st.data())
@settings(max_examples=60)
def test_roots_and_proofs_are_those_of_the_rfc(size: int, data: st.DataObject) -> None:
    leaves = ALL[:size]
    tree, root = tree_of(leaves), naive_root(leaves)
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert tree.root() == frontier.root() == root
    assert Frontier.unpack(size, frontier.pack()) == frontier
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index)
    assert path == naive_inclusion(index, leaves)
    assert merkle.verify_inclusion(index, size, leaves[index], path, root)
    first = data.draw(st.integers(1, size))
    proof = tree.consistency(first)
    assert proof == naive_consistency(first, leaves)
    assert merkle.verify_consistency(first, size, naive_root(leaves[:first]), root, proof)
    assert tree.root(first) == naive_root(leaves[:first])


@given(sizes, st.data())
@settings(max_examples=60)
def test_no_other_proof_holds(size: int, data: st.DataObject) -> None:
    leaves = ALL[:size]
    tree, root = tree_of(leaves), naive_root(leaves)
    index = data.draw(st.integers(0, size - 1))
    path = tree.inclusion(index)
    other = data.draw(st.integers(0, size - 1).filter(lambda n: n != index) if size > 1 else st.just(size))
    assert not merkle.verify_inclusion(other, size, leaves[index], path, root)
    assert not merkle.verify_inclusion(index, size, leaf_hash(b"other"), path, root)
    assert not merkle.verify_inclusion(index, size, leaves[index], [*path, root], root)
    if path:
        assert not merkle.verify_inclusion(index, size, leaves[index], path[:-1], root)
    first = data.draw(st.integers(1, size))
    proof, old = tree.consistency(first), naive_root(leaves[:first])
    assert not merkle.verify_consistency(first, size, leaf_hash(b"old"), root, proof)
    assert not merkle.verify_consistency(first, size, old, leaf_hash(b"new"), proof)
    assert not merkle.verify_consistency(first, size, old, root, [*proof, root])
    if proof:
        assert not merkle.verify_consistency(first, size, old, root, proof[:-1])


@given(st.integers(1, 200), st.data())
@settings(max_examples=30)
def test_pymerkle_finds_the_same(size: int, data: st.DataObject) -> None:
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    ours = Frontier()
    for n in range(size):
        theirs.append(b"%d" % n)
        ours.append(leaf_hash(b"%d" % n))
    assert theirs.get_state() == ours.root()
    tree = tree_of(ALL[:size])
    index = data.draw(st.integers(0, size - 1))
    path = [bytes.fromhex(h) for h in theirs.prove_inclusion(index + 1).serialize()["path"]]
    assert path == [ALL[index], *tree.inclusion(index)]


@pytest.mark.parametrize(
    ("index", "width", "path"),
    [
        (0, 256, "000"),
        (999, 256, "999"),
        (1000, 256, "x001/000"),
        (1234067, 256, "x001/x234/067"),
        (5, 17, "005.p/17"),
        (1_000_000, 1, "x001/x000/000.p/1"),
    ],
)
def test_tile_numbers(index: int, width: int, path: str) -> None:
    assert merkle.tile_number(index, width) == path
    assert merkle.parse_tile_number(path) == (index, width)


@pytest.mark.parametrize(
    "text", ["", "0", "00", "0000", "x000/001", "001.p/0", "001.p/256", "001.p/", "001.p/01", "1/001", "x1/001", "-01"]
)
def test_what_is_no_tile_number(text: str) -> None:
    assert merkle.parse_tile_number(text) is None


def test_the_tiles_of_the_example_in_the_specification() -> None:
    tiles = [t for level in merkle.levels(70_000) for t in merkle.tiles_of_level(70_000, level)]
    assert [(t.index, t.width) for t in tiles if t.level == 0][-2:] == [(272, 256), (273, 112)]
    assert [(t.index, t.width) for t in tiles if t.level == 1] == [(0, 256), (1, 17)]
    assert [(t.index, t.width) for t in tiles if t.level == 2] == [(0, 1)]
    assert merkle.levels(256) == range(2)


@given(st.lists(st.binary(max_size=300), max_size=30))
def test_bundles_come_back(entries: list[bytes]) -> None:
    bundle = merkle.pack_bundle(entries)
    assert merkle.unpack_bundle(bundle) == entries
    if bundle:
        with pytest.raises(ValueError, match="breaks off"):
            merkle.unpack_bundle(bundle + b"\x00")
