"""HTTP face: JSON in, JSON out, and the log's static resources. No decisions here."""

import json
from collections.abc import Callable
from typing import Any, Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth import request_context
from chengxin.auth.admission import Admission
from chengxin.auth.policy import open_to_all, serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument, file_of
from chengxin.http.web import PageQuery, answer, make_app
from chengxin.tlog import merkle
from chengxin.values.page_tokens import encode_page_token, number_after
from services.audit.context import AuditContext
from services.audit.domain.event import LoggedEntry
from services.audit.http import schemas
from services.audit.http.pages import add_pages
from services.audit.http.repair import add_repair
from services.audit.usecases import proofs, read_events
from services.audit.usecases.search_params import search

_AUDIT: Final = Tag(name="audit", description="What is on record, for supervisors and subjects; proofs for everybody")
_TLOG: Final = Tag(name="tlog", description="The audit log as a transparency log (C2SP tlog-tiles)")
_PLAIN: Final = "text/plain"
_OCTETS: Final = "application/octet-stream"
_HASHES: Final = "hashes, from which nothing of an event can be learned; anybody may verify the log"
# A full tile never changes. A partial tile is not needed any more once its full tile is published.
_IMMUTABLE: Final = "public, max-age=31536000, immutable"
_PARTIAL: Final = "public, max-age=86400"
_FLEETING: Final = "public, max-age=1"
_PRIVATE: Final = "private, no-store"


def make_audit_app(ctx: AuditContext, admission: Admission | None, ready: Callable[[], dict[str, bool]]) -> OpenAPI:
    """The app."""
    app = make_app("audit", admission, ready)
    _add_reading(app, ctx)
    _add_proofs(app, ctx)
    _add_tlog(app, ctx)
    add_repair(app, ctx)
    add_pages(app, ctx)
    return app


def _add_reading(app: OpenAPI, ctx: AuditContext) -> None:
    @app.get("/v1/audit/events", tags=[_AUDIT], summary="Events on record", responses={200: schemas.EventsAnswer})
    @serves(read_events.events)
    def events(query: schemas.EventsQuery) -> Response:
        """Newest first, for supervisors."""
        wanted = search(**query.model_dump(exclude={"page_size", "page_token"}))
        page = read_events.events(ctx, caller(), wanted, number_after(query.page_token), query.page_size)
        return _private({"events": [_event(e) for e in page.events], "next_page_token": encode_page_token(page.below)})

    @app.get(
        "/v1/me/accesses",
        tags=[_AUDIT],
        summary="Who looked at my records, and why",
        responses={200: schemas.AccessesAnswer},
    )
    @serves(read_events.accesses)
    def accesses(query: PageQuery) -> Response:
        """Newest first, for the subject."""
        page = read_events.accesses(ctx, caller(), number_after(query.page_token), query.page_size)
        found = [read_events.access(logged, caller().sub, request_context.language()) for logged in page.events]
        return _private({"accesses": found, "next_page_token": encode_page_token(page.below)})


def _add_proofs(app: OpenAPI, ctx: AuditContext) -> None:
    @app.get(
        "/v1/audit/proofs/inclusion",
        tags=[_AUDIT],
        summary="Proof that an event is in the log",
        responses={200: schemas.InclusionAnswer, 404: ProblemDocument},
    )
    @serves(proofs.inclusion)
    def inclusion(query: schemas.InclusionQuery) -> Response:
        """By event id or index, at a tree size."""
        proof = proofs.inclusion(ctx, caller(), query.index, query.event_id, query.tree_size)
        return answer(
            {
                "index": proof.index,
                "tree_size": proof.tree_size,
                "leaf_hash": proof.leaf_hash.hex(),
                "path": [h.hex() for h in proof.path],
                "root_hash": proof.root_hash.hex(),
            }
        )

    @app.get(
        "/v1/audit/proofs/consistency",
        tags=[_AUDIT],
        summary="Proof that the log only grew",
        responses={200: schemas.ConsistencyAnswer},
    )
    @serves(proofs.consistency)
    def consistency(query: schemas.ConsistencyQuery) -> Response:
        """Between two tree sizes."""
        proof = proofs.consistency(ctx, caller(), query.first_size, query.second_size)
        path = [h.hex() for h in proof.path]
        return answer({"first_size": proof.first_size, "second_size": proof.second_size, "path": path})


def _add_tlog(app: OpenAPI, ctx: AuditContext) -> None:
    @app.get("/tlog/checkpoint", tags=[_TLOG], summary="Latest signed checkpoint", responses={200: file_of(_PLAIN)})
    @open_to_all(_HASHES)
    def checkpoint() -> Response:
        """A signed note (C2SP tlog-checkpoint)."""
        return _text(ctx.integrator.published.note, _FLEETING)

    @app.get("/tlog/key", tags=[_TLOG], summary="Key that verifies checkpoints", responses={200: file_of(_PLAIN)})
    @open_to_all(_HASHES)
    def key() -> Response:
        """A verifier key (C2SP signed-note)."""
        return _text(f"{ctx.signer.vkey}\n", _PARTIAL)

    @app.get(
        "/tlog/tile/<level>/<path:number>", tags=[_TLOG], summary="Tile of hashes", responses={200: file_of(_OCTETS)}
    )
    @open_to_all(_HASHES)
    def tile(path: schemas.TilePath) -> Response:
        """`<L>/<N>[.p/<W>]`: up to 256 hashes of 32 bytes."""
        wanted = proofs.parse_tile(path.level, path.number)
        kept = _IMMUTABLE if wanted.width == merkle.WIDTH else _PARTIAL
        # What may have been altered is shown to those who verify the log, and kept by nobody.
        return _bytes(proofs.tile(ctx, wanted), kept if ctx.condition.sound else "no-store")

    @app.get(
        "/tlog/tile/entries/<path:number>", tags=[_TLOG], summary="Bundle of entries", responses={200: file_of(_OCTETS)}
    )
    @serves(read_events.entries)
    def entries(path: schemas.BundlePath) -> Response:
        """Up to 256 events, each after its length in two bytes; for supervisors."""
        return _bytes(read_events.entries(ctx, caller(), proofs.parse_tile("0", path.number)), _PRIVATE)


def _event(logged: LoggedEntry) -> dict[str, Any]:
    try:
        event = json.loads(logged.entry)
    except ValueError:
        event = None
    return {"index": logged.index, "event": event}


def _private(value: Any) -> Response:
    found = answer(value)
    found.headers["Cache-Control"] = _PRIVATE
    return found


def _text(text: str, kept: str) -> Response:
    found = Response(text, content_type=f"{_PLAIN}; charset=utf-8")
    found.headers["Cache-Control"] = kept
    return found


def _bytes(data: bytes, kept: str) -> Response:
    found = Response(data, content_type=_OCTETS)
    found.headers["Cache-Control"] = kept
    return found
