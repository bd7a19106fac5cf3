"""How the public search's entry of a subject is stored."""

from chengxin.values.document import RawDocument
from services.disclosure.domain.subject_names import NameHistory
from services.disclosure.domain.view_pages import PublicName, PublicVisibility
from services.disclosure.store.subject_state import Subject, SubjectGroup


def name_row(subject: Subject, group: SubjectGroup | None, seq: int) -> RawDocument:
    """Returns the row of a subject, as of change number `seq`. The first subject of a group stands for all of it."""
    state, visible = subject.state, subject.state.summary.visible
    row = {"_id": subject.ref, "kind": state.kind, "uscc": state.uscc or (group.uscc if group else ""), "seq": seq}
    # The public search finds only what the public sees.
    called = state.called.among([n.name for n in visible.names])
    row |= {
        "name": called.name,
        "former": list(called.former),
        "named_at": called.at,
        "registered_at": called.registered,
        "until": visible.until,
        "names": [[n.name, n.until, n.seat] for n in visible.names],
        "masked": visible.masked,
        "nameless": visible.nameless,
        "lookups": [[n.name, n.until, n.seat] for n in visible.lookups],
    }
    if group is not None:
        row["into"] = group.refs[0]
    return row


def called_of(row: RawDocument) -> NameHistory:
    """Reads the names that a subject has and had from a row of `names_after`."""
    registered = row.get("registered_at", "")
    return NameHistory(row.get("name", ""), row.get("former", ()), row.get("named_at", ""), registered)


def read_names(row: RawDocument) -> PublicVisibility:
    """Reads what the public sees of a subject from a row of `names_after`."""
    names, lookups = (tuple(PublicName(*n) for n in row.get(field, ())) for field in ("names", "lookups"))
    return PublicVisibility(row["until"], names, row.get("masked", ""), row.get("nameless", ""), lookups)
