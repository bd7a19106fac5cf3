"""HTTP face: JSON in, JSON out. No decisions here."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from urllib.parse import quote

from flask import Response, request
from flask_openapi3.models.tag import Tag
from flask_openapi3.openapi import OpenAPI

from chengxin.auth.admission import Admission
from chengxin.auth.policy import open_to_all, serves
from chengxin.auth.request_context import caller
from chengxin.http.description import ProblemDocument, file_of, made, tagged
from chengxin.http.web import ConditionalRequest, PageQuery, RepeatableRequest, answer, at_address, make_app
from chengxin.values.page_tokens import encode_page_token, text_after
from services.objection.context import ActRequest, ObjectionContext
from services.objection.domain import guideline
from services.objection.domain.case_views import CaseView
from services.objection.domain.evidence import TYPES, Evidence
from services.objection.http import schemas
from services.objection.http.uploads import FilingBody, FilingUpload, SupplementBody, SupplementUpload, received
from services.objection.usecases import applicant, centre, oversight, provider
from services.objection.usecases.paging import tasks_page

_OWN: Final = Tag(name="objections", description="A subject challenges a record about it (Art. 23)")
_CENTRE: Final = Tag(name="objections: centre", description="Acceptance, verification, decision (Art. 24 to 27)")
_PROVIDER: Final = Tag(name="objections: provider", description="Verification tasks (Art. 25, 26)")
_OVERSIGHT: Final = Tag(name="objections: supervision", description="How objections are handled (Art. 28, 30)")
# Five attachments of 5 MiB in base64, and the texts.
_MAX_BODY: Final = 36 * 1024 * 1024


def make_objection_app(
    ctx: ObjectionContext, admission: Admission | None, ready: Callable[[], dict[str, bool]]
) -> OpenAPI:
    """The app."""
    app = make_app("objection", admission, ready)
    app.config["MAX_CONTENT_LENGTH"] = _MAX_BODY
    # The texts of a form, beside its files.
    app.config["MAX_FORM_MEMORY_SIZE"] = 1024 * 1024
    _add_applicant_acts(app, ctx)
    _add_applicant_reading(app, ctx)
    _add_centre_acts(app, ctx)
    _add_centre_reading(app, ctx)
    _add_provider(app, ctx)
    _add_oversight(app, ctx)
    return app


def _add_applicant_acts(app: OpenAPI, ctx: ObjectionContext) -> None:
    @app.post(
        "/v1/me/objections",
        tags=[_OWN],
        summary="File an objection",
        responses={201: made(tagged(schemas.OwnCaseAnswer)), 404: ProblemDocument},
    )
    @serves(applicant.file)
    def file(raw: FilingUpload, header: RepeatableRequest) -> Response:
        """As JSON with the attachments in base64, or as a form with files."""
        body, attachments = received(request, FilingBody)
        filing = applicant.Filing(body.record_id, body.items, body.statement, attachments)
        filed = applicant.file(ctx, caller(), filing, header.idempotency_key)
        return at_address(_case(filed, CaseView.for_applicant, 201), "/v1/me/objections/{}", filed.case.objection_no)

    @app.post(
        "/v1/me/objections/<objection_no>/supplement",
        tags=[_OWN],
        summary="Supply what was missing",
        responses={200: tagged(schemas.OwnCaseAnswer)},
    )
    @serves(applicant.supplement)
    def supplement(path: schemas.NumberPath, raw: SupplementUpload, header: ConditionalRequest) -> Response:
        """As JSON with the attachments in base64, or as a form with files."""
        body, attachments = received(request, SupplementBody)
        found = applicant.supplement(
            ctx, caller(), path.objection_no, body.statement, attachments, _act_request(header)
        )
        return _case(found, CaseView.for_applicant)

    @app.post(
        "/v1/me/objections/<objection_no>/withdraw",
        tags=[_OWN],
        summary="Withdraw an objection",
        responses={200: tagged(schemas.OwnCaseAnswer)},
    )
    @serves(applicant.withdraw)
    def withdraw(path: schemas.NumberPath, header: ConditionalRequest) -> Response:
        """While it is open."""
        return _case(applicant.withdraw(ctx, caller(), path.objection_no, _act_request(header)), CaseView.for_applicant)


def _add_applicant_reading(app: OpenAPI, ctx: ObjectionContext) -> None:
    @app.get("/v1/me/objections", tags=[_OWN], summary="Own objections", responses={200: schemas.OwnCasesAnswer})
    @serves(applicant.listed)
    def own(query: PageQuery) -> Response:
        """Newest first."""
        before = text_after(query.page_token)
        return _page(applicant.listed(ctx, caller(), before, query.page_size), CaseView.for_applicant)

    @app.get(
        "/v1/me/objections/<objection_no>",
        tags=[_OWN],
        summary="An objection of one's own",
        responses={200: tagged(schemas.OwnCaseAnswer)},
    )
    @serves(applicant.read)
    def own_case(path: schemas.NumberPath) -> Response:
        """With its course and what the centre said."""
        return _case(applicant.read(ctx, caller(), path.objection_no), CaseView.for_applicant)

    @app.get(
        "/v1/me/objections/<objection_no>/evidence/<int:number>",
        tags=[_OWN],
        summary="An attachment of one's own",
        responses={200: file_of(*TYPES)},
    )
    @serves(applicant.evidence)
    def own_evidence(path: schemas.EvidencePath) -> Response:
        """As it was delivered."""
        return _file(*applicant.evidence(ctx, caller(), path.objection_no, path.number))


def _add_centre_acts(app: OpenAPI, ctx: ObjectionContext) -> None:
    answers: dict[str, Any] = {"tags": [_CENTRE], "responses": {200: tagged(schemas.CaseAnswer)}}

    @app.post("/v1/objections/<objection_no>/accept", summary="Accept", **answers)
    @serves(centre.accept)
    def accept(path: schemas.NumberPath, header: ConditionalRequest) -> Response:
        """Verification begins."""
        return _case(centre.accept(ctx, caller(), path.objection_no, _act_request(header)), CaseView.for_centre)

    @app.post("/v1/objections/<objection_no>/refuse", summary="Refuse, with the reason", **answers)
    @serves(centre.refuse)
    def refuse(path: schemas.NumberPath, body: schemas.RefusalBody, header: ConditionalRequest) -> Response:
        """The case is closed."""
        return _case(
            centre.refuse(ctx, caller(), path.objection_no, body.reason, _act_request(header)), CaseView.for_centre
        )

    @app.post("/v1/objections/<objection_no>/request-supplement", summary="Send back, once", **answers)
    @serves(centre.request_supplement)
    def request_supplement(path: schemas.NumberPath, body: schemas.MissingBody, header: ConditionalRequest) -> Response:
        """Listing everything that is missing."""
        found = centre.request_supplement(ctx, caller(), path.objection_no, body.missing, _act_request(header))
        return _case(found, CaseView.for_centre)

    @app.post("/v1/objections/<objection_no>/verify", summary="The centre's finding", **answers)
    @serves(centre.verify)
    def verify(path: schemas.NumberPath, body: schemas.VerificationBody, header: ConditionalRequest) -> Response:
        """consistent_with_source makes the case a task of the provider."""
        found = centre.verify(ctx, caller(), path.objection_no, body.finding, body.note, _act_request(header))
        return _case(found, CaseView.for_centre)

    @app.post("/v1/objections/<objection_no>/retract", summary="Take a step back", **answers)
    @serves(centre.retract)
    def retract(path: schemas.NumberPath, body: schemas.RetractionBody, header: ConditionalRequest) -> Response:
        """The finding system_fault, or a request for a supplement; the time to take the step anew is the one that it had."""
        found = centre.retract(ctx, caller(), path.objection_no, body.reason, _act_request(header))
        return _case(found, CaseView.for_centre)

    @app.post("/v1/objections/<objection_no>/decide", summary="Conclude", **answers)
    @serves(centre.decide)
    def decide(path: schemas.NumberPath, body: schemas.DecisionBody, header: ConditionalRequest) -> Response:
        """corrected when a change names the objection, or the record is revoked or changed in what was objected to; upheld else."""
        found = centre.decide(ctx, caller(), path.objection_no, body.outcome, body.explanation, _act_request(header))
        return _case(found, CaseView.for_centre)


def _add_centre_reading(app: OpenAPI, ctx: ObjectionContext) -> None:
    @app.get("/v1/objections", tags=[_CENTRE], summary="Objections", responses={200: schemas.CasesAnswer})
    @serves(centre.listed)
    def cases(query: schemas.CasesQuery) -> Response:
        """Oldest first."""
        after = text_after(query.page_token)
        found = centre.listed(ctx, caller(), query.state, query.overdue, after, query.page_size)
        return _page(found, CaseView.for_centre)

    @app.get(
        "/v1/objections/<objection_no>",
        tags=[_CENTRE],
        summary="An objection",
        responses={200: tagged(schemas.CaseAnswer)},
    )
    @serves(centre.read)
    def case(path: schemas.NumberPath) -> Response:
        """With its version as ETag."""
        return _case(centre.read(ctx, caller(), path.objection_no), CaseView.for_centre)

    @app.get(
        "/v1/objections/<objection_no>/evidence/<int:number>",
        tags=[_CENTRE],
        summary="An attachment",
        responses={200: file_of(*TYPES)},
    )
    @serves(centre.evidence)
    def evidence(path: schemas.EvidencePath) -> Response:
        """As it was delivered."""
        return _file(*centre.evidence(ctx, caller(), path.objection_no, path.number))


def _add_provider(app: OpenAPI, ctx: ObjectionContext) -> None:
    answers: dict[str, Any] = {"tags": [_PROVIDER], "responses": {200: schemas.TaskAnswer}}

    @app.get(
        "/v1/objections/tasks",
        tags=[_PROVIDER],
        summary="Tasks of one's organisation",
        responses={200: schemas.TasksAnswer},
    )
    @serves(provider.tasks)
    def tasks(query: schemas.TasksQuery) -> Response:
        """By due date."""
        page = tasks_page(ctx, caller(), query.open_only, query.page_token, query.page_size)
        return answer({"tasks": [task.task() for task in page.tasks], "next_page_token": page.next_page_token})

    @app.get("/v1/objections/tasks/<objection_no>", summary="A task", **answers)
    @serves(provider.task)
    def task(path: schemas.NumberPath) -> Response:
        """What is to be verified, and by when."""
        return answer(provider.task(ctx, caller(), path.objection_no).task())

    @app.post("/v1/objections/<objection_no>/answer", summary="Answer a task", **answers)
    @serves(provider.answer)
    def answer_task(path: schemas.NumberPath, body: schemas.AnswerBody, header: ConditionalRequest) -> Response:
        """wrong goes with an amendment delivered to ingest, right with evidence."""
        found = provider.answer(ctx, caller(), path.objection_no, body.finding, body.evidence, _act_request(header))
        return answer(found.task())

    @app.post("/v1/objections/<objection_no>/retract-answer", summary="Take an answer back", **answers)
    @serves(provider.retract_answer)
    def retract_answer(
        path: schemas.NumberPath, body: schemas.AnswerRetractionBody, header: ConditionalRequest
    ) -> Response:
        """Given by mistake; the task is answered again, by the day it was to be answered."""
        found = provider.retract_answer(ctx, caller(), path.objection_no, body.reason, _act_request(header))
        return answer(found.task())

    @app.post("/v1/objections/<objection_no>/extension", summary="Take the longer time, once", **answers)
    @serves(provider.extend)
    def extension(path: schemas.NumberPath, body: schemas.ExtensionBody, header: ConditionalRequest) -> Response:
        """In a complex case, before the time is over."""
        return answer(provider.extend(ctx, caller(), path.objection_no, body.reason, _act_request(header)).task())


def _add_oversight(app: OpenAPI, ctx: ObjectionContext) -> None:
    @app.get(
        "/v1/objections/courses", tags=[_OVERSIGHT], summary="How cases go", responses={200: schemas.CoursesAnswer}
    )
    @serves(oversight.courses)
    def courses(query: schemas.CasesQuery) -> Response:
        """Oldest first."""
        after = text_after(query.page_token)
        found = oversight.courses(ctx, caller(), query.state, query.overdue, after, query.page_size)
        return _page(found, CaseView.course)

    @app.get(
        "/v1/objections/<objection_no>/course",
        tags=[_OVERSIGHT],
        summary="How a case goes",
        responses={200: tagged(schemas.CourseAnswer)},
    )
    @serves(oversight.course)
    def course(path: schemas.NumberPath) -> Response:
        """States, deadlines, lateness."""
        return _case(oversight.course(ctx, caller(), path.objection_no), CaseView.course)

    @app.get(
        "/v1/objections/guideline",
        tags=[_OVERSIGHT],
        summary="The working guideline of the procedure",
        responses={200: schemas.GuidelineAnswer},
    )
    @open_to_all("the guideline of the procedure is published (Art. 28)")
    def read_guideline() -> Response:
        """With the deadlines in force."""
        rules = oversight.rules_in_force(ctx)
        texts = {"zh": guideline.zh(rules), "en": guideline.en(rules)}
        return answer({"rules_version": rules.version, "deadlines": dict(rules.values), **texts})


def _case(view: CaseView, seen_by: Callable[[CaseView], dict[str, Any]], status: int = 200) -> Response:
    found = answer(seen_by(view), status)
    found.set_etag(str(view.case.version))
    return found


def _page(found: tuple[Sequence[CaseView], bool], seen_by: Callable[[CaseView], dict[str, Any]]) -> Response:
    views, more = found
    token = encode_page_token([views[-1].case.objection_no] if more else None)
    return answer({"objections": [seen_by(view) for view in views], "next_page_token": token})


def _file(evidence: Evidence, content: bytes) -> Response:
    found = Response(content, content_type=evidence.content_type)
    # A browser saves it and does not show it: a page that an applicant attached must not run as one of this site.
    found.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(evidence.offered_name, safe='')}"
    found.headers["X-Content-Type-Options"] = "nosniff"
    found.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    found.headers["Cache-Control"] = "no-store"
    return found


def _act_request(header: ConditionalRequest) -> ActRequest:
    return ActRequest(header.idempotency_key, header.seen)
