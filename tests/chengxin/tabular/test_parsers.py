"""Only readers parse files, and every module that takes files is known."""

import ast
import re
from collections.abc import Iterator

from tests.tools.loading import ROOT

# The modules that take files from outside, each with a test of hostile files: tests/ingest/test_hostile_files.py
# (delivered, previewed, and by the provider's command), tests/catalog/test_entry_workbook.py,
# tests/objection/test_evidence.py.
_UPLOAD_MODULES = {
    "services/ingest/http/submissions.py",
    "services/ingest/http/reporting.py",
    "services/catalog/http/workbooks.py",
    "services/objection/http/uploads.py",
    "chengxin_cli/commands/submit.py",
    # It only takes the parts of a form as they were sent.
    "chengxin/http/inputs.py",
}
# Modules that parse or decode formats.
_PARSERS = {
    "python_calamine",
    "zipfile",
    "xml",
    "tarfile",
    "lzma",
    "bz2",
    "gzip",
    "lxml",
    "PIL",
    "pypdf",
    "charset_normalizer",
}
# It reads only the names of parts of a workbook that it wrote itself.
_ALLOWED = {
    "chengxin_cli/output_files.py": {"zipfile"},
    # The name of the error by which the supervisor's own answer is no XML-RPC.
    "chengxin_cli/commands/status.py": {"xml"},
}


def _modules() -> Iterator[tuple[str, ast.AST, str]]:
    for top in ("chengxin", "chengxin_cli", "services", "gateway"):
        for file in sorted((ROOT / top).rglob("*.py")):
            name = file.relative_to(ROOT).as_posix()
            if not name.startswith("chengxin/tabular/reader/") and "_pb2" not in name:
                text = file.read_text()
                yield name, ast.parse(text), text


def test_files_are_parsed_by_readers_alone_and_every_door_is_known() -> None:
    takers, parsers = set(), {}
    for name, tree, text in _modules():
        imported = {
            alias.split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        if found := (imported & _PARSERS) - _ALLOWED.get(name, set()):
            parsers[name] = found
        if re.search(r"load_workbook|csv\.(reader|DictReader)|chengxin\.tabular\.reader\.", text):
            parsers[name] = {"reads"}
        if re.search(r": UploadedFile\b|request\.files|open_source\(content", text):
            takers.add(name)
    assert parsers == {}
    assert takers == _UPLOAD_MODULES
