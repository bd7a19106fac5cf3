"""Which item each of a provider's columns holds, for each entry (Art. 10), so that no file is renamed every month."""

from collections.abc import Mapping
from typing import Any, Final

from chengxin.auth.executor import command, query
from chengxin.auth.principal import Principal, Role
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.store.database import UnitOfWork
from chengxin.store.on_record import authorise
from chengxin.values.acts import Act
from chengxin.values.canonical_json import canonical, digest
from chengxin.values.text_forms import comparison_key
from services.ingest.context import IngestContext
from services.ingest.domain.submission import DELIVERY_ENTRY_UNKNOWN
from services.ingest.usecases.permissions import provides, versions_in_force

_MOST: Final = 500
_LONGEST: Final = 200


@query(Act.MAPPING_READ, roles={Role.PROVIDER}, articles=("10",), may=provides)
def mapping(ctx: IngestContext, caller: Principal, entry_code: str) -> dict[str, str]:
    """The provider's own header texts of an entry, with the item code of each; empty when there are none. Raises
    DELIVERY_ENTRY_UNKNOWN."""
    if not ctx.directory.versions(entry_code):
        raise DELIVERY_ENTRY_UNKNOWN(entry=entry_code)
    found = authorise(versions_in_force(ctx, entry_code), entry_code)
    # A code that no entry has may be any text, so it is not put on record.
    ctx.audit.record(ctx.audit.event(Act.MAPPING_READ, caller, entries=[entry.code for entry in found]))
    return ctx.store.providers.mapping(caller.org, entry_code)


@command(Act.MAPPING_CHANGED, roles={Role.PROVIDER}, articles=("10",), may=provides)
def remember(ctx: IngestContext, caller: Principal, entry_code: str, columns: Mapping[str, str]) -> dict[str, str]:
    """Replaces the mapping before; the new one holds from the next file, uploaded or sent by the command line.

    Raises DELIVERY_ENTRY_UNKNOWN, DELIVERY_ENTRY_NOT_IN_FORCE, INPUT_INVALID naming each column that cannot be.
    """
    entry = ctx.directory.to_deliver(entry_code, 0, ctx.clock.today().isoformat())
    authorise((entry,), entry.code)
    if wrong := _wrong(columns, entry.by_code):
        raise INPUT_INVALID(fields=wrong)
    wanted = {label.strip(): code for label, code in columns.items()}
    # The event has the digest of what people wrote, not the words.
    details = {"columns": len(wanted), "digest": digest(canonical(wanted))}

    def work(unit: UnitOfWork) -> None:
        authorise(versions_in_force(ctx, entry.code, unit), entry.code)
        ctx.store.providers.keep_mapping(caller.org, entry.code, wanted, ctx.clock.now(), unit.session)
        unit.record(ctx.audit.event(Act.MAPPING_CHANGED, caller, entries=[entry.code], details=details).encode())

    ctx.patiently(lambda: ctx.store.transact(work))
    return wanted


def _wrong(columns: Mapping[str, str], known: Mapping[str, Any]) -> list[FieldError]:
    if len(columns) > _MOST:
        return [FieldError("columns", "length", f"最多 {_MOST} 列 / at most {_MOST} columns")]
    wrong = []
    # What a file's columns are found by (`Columns`).
    codes: dict[str, str] = {}
    for label, code in columns.items():
        name = comparison_key(label)
        if not name or len(label) > _LONGEST:
            wrong.append(FieldError("columns", "label", f"列名应为 1 到 {_LONGEST} 字 / 1 to {_LONGEST} characters"))
        elif codes.setdefault(name, code) != code:
            told = "另有一列名称看起来相同，对应的信息项却不同 / another column looks the same and holds another item"
            wrong.append(FieldError(f"columns.{label[:40]}", "twice", told))
        if code and code not in known:
            told = f"目录条目没有信息项 {code[:40]} / the entry has no item {code[:40]}"
            wrong.append(FieldError(f"columns.{label[:40]}", "unknown_item", told))
    return wrong
