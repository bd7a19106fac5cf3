"""A resource without a bound, a bound of nothing and a bound without its test fail the build."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from chengxin.bounds import Bound
from tests.tools.loading import ROOT, tool

MODULE = """
import threading
from concurrent.futures import ThreadPoolExecutor
import grpc

def serve():
    return grpc.server(ThreadPoolExecutor(4))
"""


def bound(*made_by: str, where: str = "gateway.faces", test: str = "") -> Bound:
    return Bound(where, made_by, "calls", 4, 1, 1.0, "each holds a thread", None, test)


@pytest.fixture
def disagreements(tmp_path: Path) -> "Checked":
    return Checked(tmp_path)


class Checked:
    """A tree with one module, and what the tool says of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for package in ("chengxin", "services", "gateway"):
            (root / package).mkdir()
        (root / "gateway" / "faces.py").write_text(MODULE)

    def __call__(self, declared: Sequence[Bound]) -> list[str]:
        faults: list[str] = tool("list_bounds").disagreements(self.root, declared)
        return faults


@pytest.fixture(autouse=True)
def tools_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def test_a_resource_without_a_bound_is_named(disagreements: Checked) -> None:
    assert disagreements([bound("ThreadPoolExecutor")]) == [
        "gateway.faces makes grpc.server without a bound (chengxin/bounds.py)"
    ]
    assert disagreements([bound("ThreadPoolExecutor", "grpc.server")]) == []


def test_a_second_resource_of_a_kind_needs_a_second_bound(disagreements: Checked) -> None:
    file = disagreements.root / "gateway" / "faces.py"
    file.write_text(MODULE + "\nMORE = ThreadPoolExecutor(400)\n")
    faults = disagreements([bound("ThreadPoolExecutor", "grpc.server")])
    assert faults == ["gateway.faces makes ThreadPoolExecutor without a bound (chengxin/bounds.py)"]


def test_a_bound_of_nothing_is_named(disagreements: Checked) -> None:
    declared = [bound("ThreadPoolExecutor", "grpc.server"), bound("Popen"), bound("Popen", where="gateway.gone")]
    assert disagreements(declared) == [
        "gateway.faces declares a bound of Popen, and makes none",
        "gateway.gone declares bounds, and is no module",
    ]


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("cache: LRUCache[str, int] = LRUCache(10)", ["LRUCache"]),
        ("x = cachetools.LRUCache[str, int](10)", ["LRUCache"]),
        ("@lru_cache(16)\ndef f(): ...", ["lru_cache"]),
        ("@functools.cache\ndef f(): ...", ["functools.cache"]),
        ("places = threading.BoundedSemaphore(4)\nShares(BOUND)", ["BoundedSemaphore"]),
        ("async def f(): await asyncio.start_server(x)", ["start_server"]),
        ("app.server()\nresponse.cache('x')\nThreadPool(4)", []),
    ],
)
def test_makers_are_found_in_every_form(source: str, made: list[str]) -> None:
    assert Counter(tool("list_bounds").made_in(source)) == Counter(made)


def test_the_test_that_a_bound_names_is_there(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("def test_one() -> None: ...")
    declared = [bound(test="test_x.py::test_one"), bound(test="test_x.py::test_two"), bound(test="gone.py::test_one")]
    faults = tool("list_bounds").missing_tests(tmp_path, declared)
    assert [fault.rpartition(" ")[2] for fault in faults] == ["test_x.py::test_two", "gone.py::test_one"]
