"""HTTP face of the state of the log's store, and of its repair. No decisions here."""

from typing import Final

from flask import Response
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.http.web import answer
from services.audit.context import AuditContext
from services.audit.http import schemas
from services.audit.usecases import repair_log

_OPERATIONS: Final = Tag(name="operations", description="What was altered in the log's store, and its repair")
_ADDRESS: Final = "/v1/operations/audit/repair"


def add_repair(app: OpenAPI, ctx: AuditContext) -> None:
    """The routes."""

    @app.get(
        _ADDRESS,
        tags=[_OPERATIONS],
        summary="What was found altered in the log's store",
        responses={200: schemas.ConditionAnswer},
    )
    @serves(repair_log.read_condition)
    def read_condition() -> Response:
        """For supervisors and the centre."""
        return answer(repair_log.read_condition(ctx, caller()))

    @app.post(
        _ADDRESS,
        tags=[_OPERATIONS],
        summary="Make again what is derived from the log and differs",
        responses={202: schemas.ConditionAnswer},
    )
    @serves(repair_log.repair)
    def repair() -> Response:
        """For the centre. It is done in the background; groups and checkpoints are never written."""
        return answer(repair_log.repair(ctx, caller()), 202)
