"""gRPC face, for providers and followers: message to use case to message. No decisions here."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import grpc

from chengxin.auth.policy import serves
from chengxin.auth.request_context import caller
from chengxin.errors import INPUT_INVALID, FieldError
from chengxin.store.database import OutboxRow
from chengxin_api.objection.v1 import objection_pb2 as pb
from chengxin_api.objection.v1 import objection_pb2_grpc
from services.objection.context import ActRequest, ObjectionContext
from services.objection.domain.case_states import ProviderFinding
from services.objection.domain.case_views import CaseView
from services.objection.usecases import follow_feeds, provider
from services.objection.usecases.paging import tasks_page

NAME: Final = "chengxin.objection.v1.ObjectionService"
_DEFAULT_SIZE: Final = 50
_GREATEST_SIZE: Final = 200
_LONGEST_KEY: Final = 200
_ANSWERS: Final = {pb.FINDING_WRONG: ProviderFinding.WRONG, pb.FINDING_RIGHT: ProviderFinding.RIGHT}


class ObjectionServicer(objection_pb2_grpc.ObjectionServiceServicer):
    """chengxin.objection.v1.ObjectionService."""

    def __init__(self, ctx: ObjectionContext) -> None:
        self._ctx = ctx

    @serves(provider.tasks)
    def ListTasks(self, request: pb.ListTasksRequest, context: grpc.ServicerContext) -> pb.ListTasksResponse:
        """Tasks of the caller's organisation."""
        size = request.page_size or _DEFAULT_SIZE
        if not 1 <= size <= _GREATEST_SIZE:
            raise INPUT_INVALID(fields=[FieldError("page_size", "range", f"1 … {_GREATEST_SIZE}")])
        page = tasks_page(self._ctx, caller(), request.open_only, request.page_token, size)
        return pb.ListTasksResponse(tasks=map(_task, page.sights), next_page_token=page.next_page_token)

    @serves(provider.task)
    def GetTask(self, request: pb.GetTaskRequest, context: grpc.ServicerContext) -> pb.Task:
        """One of them."""
        return _task(provider.task(self._ctx, caller(), request.objection_no))

    @serves(provider.answer)
    def AnswerTask(self, request: pb.AnswerTaskRequest, context: grpc.ServicerContext) -> pb.Task:
        """The provider's answer."""
        if (finding := _ANSWERS.get(request.finding)) is None:
            raise INPUT_INVALID(fields=[FieldError("finding", "required", "FINDING_WRONG, FINDING_RIGHT")])
        asked = ActRequest(_key(request.request_id))
        return _task(provider.answer(self._ctx, caller(), request.objection_no, finding, request.evidence, asked))

    @serves(provider.extend)
    def RequestExtension(self, request: pb.RequestExtensionRequest, context: grpc.ServicerContext) -> pb.Task:
        """The longer time."""
        return _task(provider.extend(self._ctx, caller(), request.objection_no, request.reason, ActRequest()))

    @serves(follow_feeds.changes)
    def Watch(self, request: pb.WatchRequest, context: grpc.ServicerContext) -> Iterator[pb.Change]:
        """Changes of state."""
        for row in follow_feeds.changes(self._ctx, caller(), request.after, context.is_active):
            yield from _changes(row)


def _task(sight: CaseView) -> pb.Task:
    plain = sight.task()
    found = pb.Task(
        **{name: plain[name] for name in ("objection_no", "record_id", "entry_code", "items", "statement", "state")},
        answer_due=plain["answer_due"],
        provisional=plain["provisional"],
        extended=plain["extended"],
    )
    if plain["notified_at"]:
        found.notified_at.FromDatetime(datetime.fromisoformat(plain["notified_at"]))
    return found


def _changes(row: OutboxRow) -> Iterator[pb.Change]:
    """A position stands for all changes up to it: all but the last of a transaction have the position before it."""
    last = len(row.changes) - 1
    for n, change in enumerate(row.changes):
        message = pb.Change(
            position=row.position if n == last else row.position - 1,
            objection_no=change["objection_no"],
            record_id=change["record_id"],
            state=change["state"],
            open=change["open"],
        )
        message.committed_at.FromDatetime(row.at)
        yield message


def _key(text: str) -> str:
    if len(text) > _LONGEST_KEY:
        raise INPUT_INVALID(fields=[FieldError("request_id", "length", f"≤ {_LONGEST_KEY}")])
    return text
