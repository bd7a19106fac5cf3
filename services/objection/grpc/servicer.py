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
        return pb.ListTasksResponse(tasks=map(_task, page.tasks), next_page_token=page.next_page_token)

    @serves(provider.task)
    def GetTask(self, request: pb.GetTaskRequest, context: grpc.ServicerContext) -> pb.Task:
        """One task of the caller's organisation."""
        return _task(provider.task(self._ctx, caller(), request.objection_no))

    @serves(provider.answer)
    def AnswerTask(self, request: pb.AnswerTaskRequest, context: grpc.ServicerContext) -> pb.Task:
        """The provider's answer."""
        if (finding := _ANSWERS.get(request.finding)) is None:
            raise INPUT_INVALID(fields=[FieldError("finding", "required", "FINDING_WRONG, FINDING_RIGHT")])
        act_request = ActRequest(_key(request.request_id))
        return _task(provider.answer(self._ctx, caller(), request.objection_no, finding, request.evidence, act_request))

    @serves(provider.extend)
    def RequestExtension(self, request: pb.RequestExtensionRequest, context: grpc.ServicerContext) -> pb.Task:
        """The provider takes the longer time, once."""
        return _task(provider.extend(self._ctx, caller(), request.objection_no, request.reason, ActRequest()))

    @serves(provider.retract_answer)
    def RetractAnswer(self, request: pb.RetractAnswerRequest, context: grpc.ServicerContext) -> pb.Task:
        """An answer that was given by mistake is taken back."""
        return _task(provider.retract_answer(self._ctx, caller(), request.objection_no, request.reason, ActRequest()))

    @serves(follow_feeds.changes)
    def Watch(self, request: pb.WatchRequest, context: grpc.ServicerContext) -> Iterator[pb.Change]:
        """Changes of the states of cases."""
        for row in follow_feeds.changes(self._ctx, caller(), request.after, context.is_active):
            yield from _changes(row)


def _task(view: CaseView) -> pb.Task:
    task = view.task()
    found = pb.Task(
        **{name: task[name] for name in ("objection_no", "record_id", "entry_code", "items", "statement", "state")},
        answer_due=task["answer_due"],
        provisional=task["provisional"],
        extended=task["extended"],
    )
    if task["notified_at"]:
        found.notified_at.FromDatetime(datetime.fromisoformat(task["notified_at"]))
    for change in task["record_changes"]:
        told = found.record_changes.add(**{n: change[n] for n in ("record_version", "revoked", "reason")})
        told.recorded_at.FromDatetime(datetime.fromisoformat(change["recorded_at"]))
    return found


def _changes(row: OutboxRow) -> Iterator[pb.Change]:
    """Makes a message of each change. A position stands for all changes up to it, so in a transaction only the last
    change has its position, and the others have the one before."""
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
