"""Writes docs/operations/limits.md, every bound of what a caller can hold, from the code.

With --check it fails when the document is stale. It always fails when a module makes a resource without declaring a
bound for it, when a declared bound has nothing that it bounds, and when the test that a bound names is missing.

usage: python tools/list_bounds.py [--check] [FILE]
"""

import ast
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from generated_documents import PACKAGES, ROOT, import_all, item, write_or_compare

if TYPE_CHECKING:
    from chengxin.bounds import Bound

# The calls that make something that can be held: threads and what queues before them, processes, servers, connections,
# memory that is kept, files without a name. `Shares` is none of them: it cannot be made without a bound.
MAKERS: Final = frozenset(
    {
        *("Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "Process", "Popen"),
        *("Semaphore", "BoundedSemaphore", "Coalescer"),
        *("Queue", "SimpleQueue", "LifoQueue", "PriorityQueue", "deque"),
        *("LRUCache", "TTLCache", "LFUCache", "lru_cache"),
        *("Granian", "start_server", "create_server", "start_unix_server"),
        *("MongoClient", "PoolManager", "create_connection"),
        *("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile", "TemporaryDirectory", "mkdtemp", "mkstemp"),
        "fixed_threads",
    }
)
# Those whose last word stands for other things, too.
WHOLE_MAKERS: Final = frozenset({"cache", "functools.cache", "grpc.server", "sqlite3.connect"})
# Those by which a process gets more threads, or processes of its own; a container bounds both together.
_THREADS: Final = frozenset({"Thread", "ThreadPoolExecutor", "fixed_threads", "Popen", "Granian"})
# What is there once for each feed, task, store and library: two threads for each of 64 shares of an intake, and 60. A
# service at rest has 20 to 35 in all.
BESIDE: Final = 190
# What an operator runs is held by nobody else.
_SERVED: Final = ("chengxin", "services", "gateway")

_HEAD: Final = """<!-- made by `make docs` (tools/list_bounds.py) -->

# What a caller can hold, and how much of it

Every thread, slot, stream, file, cache and processor share of a process has a total, a share for each caller, and a
time; the first two are numbers in one process. A caller who asks for more is refused, and asks again
([decision 36](../decisions/0036-the-edge-under-attack.md)). Each bound is declared where the resource is made, and has
a test that exhausts a small one. Rates (requests a second) are settings:
[README](../../README.md).
"""


def document() -> str:
    """The whole document. Exits with the faults when the declarations and the code do not agree."""
    from chengxin.bounds import declared_bounds

    for _, package in PACKAGES:
        if package.partition(".")[0] in _SERVED:
            import_all(package)
            if importlib.util.find_spec(f"{package}.__main__"):
                importlib.import_module(f"{package}.__main__")
    declared = sorted(declared_bounds(), key=lambda b: (b.where, b.resource))
    if faults := [*disagreements(ROOT, declared), *missing_tests(ROOT, declared)]:
        sys.exit("\n".join(faults))
    return _HEAD + "".join(_sections(declared))


def threads_of(package: str) -> int:
    """The greatest number of threads, and of processes of its own, that a process of a package has.

    Its modules and the kernel's declare them; they must be imported.
    """
    from chengxin.bounds import declared_bounds

    roots = tuple(f"{root}." for root in ("chengxin", package))
    return BESIDE + sum(
        b.total for b in declared_bounds() if f"{b.where}.".startswith(roots) and _THREADS & set(b.made_by)
    )


def disagreements(root: Path, declared: "Sequence[Bound]") -> list[str]:
    """Each module that makes a resource more or less often than it declares."""
    claimed: dict[str, Counter[str]] = {}
    for bound in declared:
        claimed.setdefault(bound.where, Counter()).update(bound.made_by)
    faults = []
    for package in _SERVED:
        for file in sorted((root / package).rglob("*.py")):
            where = ".".join(file.relative_to(root).with_suffix("").parts)
            made, claims = Counter(made_in(file.read_text())), claimed.pop(where, Counter())
            faults += [f"{where} makes {name} without a bound (chengxin/bounds.py)" for name in sorted(made - claims)]
            faults += [f"{where} declares a bound of {name}, and makes none" for name in sorted(claims - made)]
    return faults + [f"{where} declares bounds, and is no module" for where in sorted(claimed) if claimed[where]]


def made_in(source: str) -> Iterator[str]:
    """The makers that a module calls, or puts on functions, each as often as it stands there."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            yield from _maker(node.func)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                yield from _maker(decorator)


def _maker(called: ast.expr) -> Iterator[str]:
    # `LRUCache[str, int](100)` is a call of what is subscripted.
    called = called.value if isinstance(called, ast.Subscript) else called
    whole = ast.unparse(called)
    last = called.attr if isinstance(called, ast.Attribute) else whole
    if whole in WHOLE_MAKERS:
        yield whole
    elif last in MAKERS:
        yield last


def missing_tests(root: Path, declared: "Sequence[Bound]") -> list[str]:
    """Each bound whose test is not there."""
    faults = []
    for bound in declared:
        file, _, test = bound.test.partition("::")
        path = root / file
        if bound.test and not (path.is_file() and f"def {test}(" in path.read_text()):
            faults.append(f"{bound.where}: the test of its bound is missing: {bound.test}")
    return faults


def _sections(declared: "Sequence[Bound]") -> Iterator[str]:
    for title, package in PACKAGES:
        held = [b for b in declared if f"{b.where}.".startswith(f"{package}.")]
        if held:
            yield f"\n## {title}\n\n{''.join(_entry(b) for b in held if b.test)}"
            if package.startswith("services."):
                yield item(f"Threads and processes of one process of this service: {threads_of(package):,} at most")
            if of_process := [b for b in held if not b.test]:
                yield f"\nOf the process itself:\n\n{''.join(_own_entry(b) for b in of_process)}"


def _entry(bound: "Bound") -> str:
    seconds = bound.seconds if isinstance(bound.seconds, str) else f"{bound.seconds:g} s"
    share = bound.share if isinstance(bound.share, str) else f"{bound.share:,}"
    strangers = "" if bound.strangers is None else f"; for all without proof {bound.strangers:,}"
    return item(
        f"**{bound.resource}** (`{bound.where}`): total {bound.total:,}{strangers}; for one caller: {share}; time: {seconds}. "
        f"{bound.why}. Test: `{bound.test.rpartition('/')[2]}`"
    )


def _own_entry(bound: "Bound") -> str:
    return item(f"{bound.resource} (`{bound.where}`): {bound.total:,}. {bound.why}")


if __name__ == "__main__":
    write_or_compare(sys.argv[1:], ROOT / "docs" / "operations" / "limits.md", document)
