"""Previews a file before it is delivered (Art. 10): its columns, and its first rows as they would be recorded."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import IO, Final

from chengxin.auth.executor import query
from chengxin.auth.principal import Principal, Role
from chengxin.store.on_record import authorise
from chengxin.tabular.columns import ItemName
from chengxin.tabular.lenient import LenientColumns
from chengxin.tabular.source import SourceRow, open_source
from chengxin.values.acts import Act
from services.ingest.context import IngestContext
from services.ingest.domain.submission import Header
from services.ingest.domain.validator import Validator, Violation
from services.ingest.usecases.permissions import provides
from services.ingest.usecases.submit_file import names_of

ROWS: Final = 20
# More rows are read than shown, because some may be empty in the columns that are read.
_READ: Final = 1000


@dataclass(frozen=True)
class SeenColumn:
    """A column: its item, and how the item was found; for an unknown column the items that may be meant."""

    label: str
    item: str
    found_by: str
    suggestions: Sequence[ItemName] = ()


@dataclass(frozen=True)
class SeenRow:
    """A row as it would be recorded: standard values, values as delivered where they differ, what is wrong."""

    row: int
    items: Mapping[str, str]
    raw: Mapping[str, str]
    violations: Sequence[Violation]


@dataclass(frozen=True)
class Preview:
    """The columns and first rows of a file."""

    entry_code: str
    entry_version: int
    kind: str
    encoding: str
    # The sheets that have content and are not read.
    unread: Sequence[str]
    columns: Sequence[SeenColumn]
    missing: Sequence[ItemName]
    rows: Sequence[SeenRow]


@query(Act.SUBMISSION_PREVIEWED, roles={Role.PROVIDER}, articles=("9", "10"), may=provides)
def preview(ctx: IngestContext, caller: Principal, header: Header, file: IO[bytes]) -> Preview:
    """Looks at the first rows of a file and stores nothing. Raises the problems of `chengxin.tabular`."""
    entry = ctx.directory.to_deliver(header.entry_code, header.entry_version, ctx.clock.today().isoformat())
    authorise((entry,), entry.code)
    ctx.audit.record(ctx.audit.event(Act.SUBMISSION_PREVIEWED, caller, entries=[entry.code]))
    columns = LenientColumns(names_of(entry), ctx.store.providers.mapping(caller.org, entry.code))
    with open_source(file, header.file_name, columns, caller.claimant, _READ) as source:
        if source.kind != "jsonl":
            source.columns(columns)
        validator = ctx.directory.validator(entry)
        today = ctx.clock.today()
        rows = [_seen(validator, row, today) for row in _first(source.rows(columns))]
    seen = [SeenColumn(c.label, c.code, columns.found_by(label)) for label, c in columns.met.items()]
    told = [replace(c, suggestions=columns.suggestions(c.label)) if c.found_by == "unknown" else c for c in seen]
    form = (source.kind, source.encoding, source.unread)
    return Preview(entry.code, entry.version, *form, told, columns.missing(), rows)


def _first(rows: Iterator[SourceRow]) -> list[SourceRow]:
    """The rows that are shown. The others that were read are gone through, so that their fault is told here already."""
    first = list(itertools.islice(rows, ROWS))
    for _ in rows:
        pass
    return first


def _seen(validator: Validator, row: SourceRow, today: date) -> SeenRow:
    items, violations = validator.check(row.items, today)
    raw = {code: value for code, value in row.items.items() if items.get(code, value) != value}
    return SeenRow(row.number, items, raw, violations)
