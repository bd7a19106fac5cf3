"""Flask plumbing: apps that know the caller, answer problem documents, and describe themselves in OpenAPI 3.1."""

import errno
import functools
import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, ClassVar, Final, cast
from urllib.parse import quote

import msgspec
import structlog
import werkzeug.datastructures
from flask import Response, g, request
from flask.json.provider import DefaultJSONProvider
from flask_openapi3.models.file import FileStorage
from flask_openapi3.models.info import Info
from flask_openapi3.openapi import OpenAPI
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import AfterValidator, BaseModel, Field, ValidationError
from pydantic_core import PydanticCustomError
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from werkzeug.http import parse_etags
from werkzeug.routing import IntegerConverter, Map

from chengxin import __version__
from chengxin.auth import request_context
from chengxin.auth.admission import Admission
from chengxin.auth.policy import OPEN_TO_ALL, open_to_all
from chengxin.auth.request_context import (
    REQUEST_ID_HEADER,
    TRACEPARENT_HEADER,
    RequestContext,
    pick_language,
    request_id_of,
)
from chengxin.bounds import own
from chengxin.errors import (
    DISK_FULL,
    INPUT_INVALID,
    INTERNAL,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    TOO_LARGE,
    UNAUTHENTICATED,
    FieldError,
    InBoth,
    Problem,
)
from chengxin.grpc.rpc import as_problem
from chengxin.http.description import IF_MATCH, IF_NONE_MATCH, DescribedApp, ProblemDocument
from chengxin.http.problem_answers import answer_to
from chengxin.http.request_checks import CheckedRequest, ignores_unknown_parameters, must_be_taken
from chengxin.http.validation_messages import words_of
from chengxin.process.readiness import ALL_CHANGES, HEAD_ADDRESS, Readiness, is_ready
from chengxin.store.database import is_passing
from chengxin.values.ids import new_id
from chengxin.values.page_tokens import GREATEST_POSITION
from chengxin.values.seen_versions import ANY_VERSION, SeenVersions

log = structlog.get_logger()

_FULL: Final = (errno.ENOSPC, errno.EDQUOT)
_RETRY_SECONDS: Final = 5
_encoder = msgspec.json.Encoder()
# An entity tag, strong or weak (RFC 9110, 8.8.3); the parts of each in a list of them; and a version.
_TAG: Final = r'(W/)?"[!#-~\u0080-\u00ff]*"'
_TAGS: Final = re.compile(r'(W/)?"([^"]*)"')
_VERSION: Final = re.compile(r"(0|[1-9][0-9]{0,8})\Z")


def _in_wsgi(header: str) -> str:
    return "HTTP_" + header.upper().replace("-", "_")


_REQUEST_ID: Final = _in_wsgi(REQUEST_ID_HEADER)
_TRACEPARENT: Final = _in_wsgi(TRACEPARENT_HEADER)


def _must_be_file(value: Any) -> Any:
    if not isinstance(value, werkzeug.datastructures.FileStorage):
        raise PydanticCustomError("file", "send a file: a part of multipart/form-data with a file name")
    return value


# A file of a form; pydantic alone takes a text field of the same name.
UploadedFile = Annotated[FileStorage, AfterValidator(_must_be_file)]


class Parameters(BaseModel):
    """Parameters of an address.

    flask-openapi3 asks for their JSON Schema on every request, and pydantic makes it anew each time: a fifth of the time
    of a query that is answered from one read. It is made once.
    """

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The JSON Schema; the plain one is remembered."""
        if args or kwargs:
            return super().model_json_schema(*args, **kwargs)
        return _schema_of(cls)


own(
    __name__,
    "functools.cache",
    resource="Descriptions of bodies in memory",
    total=200,
    why="One for each class of the code that describes a body",
)


@functools.cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    # The method of BaseModel itself, which for its class argument takes the model.
    return cast(dict[str, Any], BaseModel.model_json_schema.__func__(model))  # type: ignore[attr-defined]


class PageQuery(Parameters):
    """Paging of a list."""

    beyond_schema: ClassVar[str] = "page_token is next_page_token of an answer before, or empty"

    page_size: int = Field(50, ge=1, le=200, description="Greatest number of items in the answer")
    page_token: str = Field("", max_length=512, description="From the previous answer; empty for the first page")


class FeedHeadQuery(Parameters):
    """Which feed, and from which position on."""

    after: int = Field(0, ge=0, lt=GREATEST_POSITION)
    stream: str = Field(ALL_CHANGES, max_length=64)


def _leave_out_default(schema: dict[str, Any]) -> None:
    del schema["default"]


class RepeatableRequest(Parameters):
    """A request that changes something at most once, however often it is sent."""

    idempotency_key: str = Field(
        "",
        alias="Idempotency-Key",
        max_length=200,
        # Two fields arrive as one, with a comma between: neither is the key that its sender knows.
        pattern="^[^,]+$",
        description="Chosen by you, without a comma: a repeat with the same key changes nothing and gets the first answer",
        # A generated client sends a default that is told, and an empty key is none.
        json_schema_extra=_leave_out_default,
    )


class ConditionalRequest(RepeatableRequest):
    """A request that changes only the version that its caller has seen."""

    if_match: str = Field(
        "",
        alias=IF_MATCH,
        max_length=1000,
        # A bare number is the version that JSON tells.
        pattern=rf"^(\*|[0-9]{{1,9}}|{_TAG}([ \t]*,[ \t]*{_TAG})*)$",
        description="The ETag that you saw, or several, with commas between: any other version is not changed (412; "
        "RFC 9110, 13.1.1). Weak ones (W/) never match. *, or left out: whichever there is",
        json_schema_extra=_leave_out_default,
    )

    @property
    def seen(self) -> SeenVersions:
        """The versions that the caller has seen."""
        if self.if_match in ("", "*"):
            return ANY_VERSION
        strong = [tag for weak, tag in _TAGS.findall(self.if_match) if not weak]
        return SeenVersions(frozenset(int(tag) for tag in (*strong, self.if_match) if _VERSION.match(tag)))


class KeptCopyRequest(Parameters):
    """A request of somebody who may have what is asked for already. Only for what its ETag names to the last byte: that of
    a draft or a case counts changes, and what else is told of it depends on the day."""

    if_none_match: str = Field(
        "",
        alias=IF_NONE_MATCH,
        description="ETags of what you have, with commas between: it is not sent again (RFC 9110, 13.1.2). *: whichever",
    )

    def has(self, etag: str) -> bool:
        """Whether the caller has the version with this ETag. A proxy that compresses answers makes their ETags weak."""
        return parse_etags(self.if_none_match).contains_weak(etag)


def make_app(name: str, admission: Admission | None, ready: Callable[[], dict[str, bool]]) -> OpenAPI:
    """An app whose every route (but health, metrics and its description) has a verified caller in its context.

    An app without an admission only tells its rules (`policy_table`) and refuses every caller. `ready()` names what the
    service needs, and whether it has it; a `Readiness` also tells how far feeds are.
    """
    app = bare_app(name, admission)
    feeds = ready if isinstance(ready, Readiness) else Readiness({})

    @app.route("/healthz")
    @open_to_all("the process is up")
    def healthz() -> Response:
        return answer({"status": "ok"})

    @app.route("/readyz")
    @open_to_all("whether the service can serve")
    def readyz() -> Response:
        state = ready()
        lag = feeds.lag()
        return answer(state | ({"lag": lag} if lag else {}) | feeds.remarks(), 200 if is_ready(state) else 503)

    @app.get(HEAD_ADDRESS, doc_ui=False)
    @open_to_all("inner address only: how far a feed is, for those who follow it")
    def feedz(query: FeedHeadQuery) -> Response:
        return answer(feeds.head(query.stream, query.after))

    @app.route("/metrics")
    @open_to_all("inner address only: operations")
    def metrics() -> Response:
        return Response(generate_latest(), content_type=CONTENT_TYPE_LATEST)

    @app.route("/openapi.json")
    @open_to_all("the description of the interface")
    def openapi() -> Response:
        return answer(app.api_doc)

    return app


class _StoredInteger(IntegerConverter):
    """An integer in an address, as stores take them; what is greater names nothing."""

    def __init__(self, url_map: Map) -> None:
        super().__init__(url_map, max=GREATEST_POSITION)


def bare_app(name: str, admission: Admission | None) -> OpenAPI:
    """An app without routes, with request contexts and problem documents. Views that are not marked as open to all have
    a verified caller; see `make_app` for one without an admission."""
    app = DescribedApp(
        name,
        info=Info(title=f"chengxin {name}", version=__version__),
        security_schemes={"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        doc_ui=False,
        validation_error_status=400,
        validation_error_model=ProblemDocument,
        validation_error_callback=_invalid,
    )
    cast(DefaultJSONProvider, app.json).sort_keys = False
    # A redirect would name the host and the port that the gateway knows a service by.
    app.url_map.merge_slashes = False
    app.request_class = CheckedRequest
    app.url_map.converters["int"] = _StoredInteger
    ignores_unknown_parameters("a file's address may name its version")(app.view_functions["static"])

    app.before_request(partial(_begin, app, admission))
    app.after_request(_tell_language)
    app.teardown_request(_end)
    app.register_error_handler(Exception, partial(_fail, admission))
    return app


def _begin(app: DescribedApp, admission: Admission | None) -> Response | None:
    """Makes the context of a request, admits its caller, and checks what can be checked before the view reads it."""
    # Read where WSGI has them: three of them through `request.headers` take longer than verifying the token.
    given = request.environ.get
    asked = RequestContext(
        request_id_of(given(_REQUEST_ID, "")),
        pick_language(given("HTTP_ACCEPT_LANGUAGE", "")),
        traceparent=given(_TRACEPARENT, ""),
    )
    g.asked = asked
    # A request has one thread, and one context in it.
    g.begun = request_context.begin(asked)
    if request.method == "OPTIONS" and request.url_rule is not None:
        # What an address can do is no secret: the description tells it.
        options = app.make_default_options_response()
        return Response(status=204, headers={"Allow": options.headers["Allow"]})
    endpoint = request.endpoint or ""
    # An address without a view is not found anyway.
    if (view := app.view_functions.get(endpoint)) is not None:
        if endpoint != "static" and OPEN_TO_ALL.of(view) is None:
            _admit(asked, view, admission)
        must_be_taken(view, app.media_types(endpoint))
    return None


def _admit(asked: RequestContext, view: Any, admission: Admission | None) -> None:
    """Verifies the caller and makes it that of the request. Raises what `Admission` refuses."""
    if admission is None:
        raise UNAUTHENTICATED(reason=InBoth("此程序只说明自身", "this app only describes itself"))
    caller = admission.verify(request.environ.get("HTTP_AUTHORIZATION", ""))
    request_context.begin(replace(asked, principal=caller))
    admission.check(caller, view, tuple((request.view_args or {}).values()))


def _tell_language(response: Response) -> Response:
    # A page has told the one that its reader chose.
    spoken = asked.spoken if (asked := g.get("asked")) else []
    return in_language(response, spoken[0]) if spoken and not response.content_language else response


def _end(_: BaseException | None) -> None:
    # Contexts that began within the request end with it.
    if (begun := g.pop("begun", None)) is not None:
        request_context.end(begun)


def _fail(admission: Admission | None, error: Exception) -> Response:
    if admission is not None and is_passing(error):
        admission.suspect_silence()
    found = problem_answer(_foreseen(error))
    if isinstance(error, MethodNotAllowed):
        found.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return found


def answer(value: Any, status: int = 200) -> Response:
    """A JSON answer of plain values, dataclasses, dates or pydantic models."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    return Response(_encoder.encode(value), status, content_type="application/json")


def at_address(response: Response, address: str, *names: str) -> Response:
    """Says of an answer where what was made is (RFC 9110, 15.3.2): else it were at the address that was posted to.

    `address` has `{}` for each of the names.
    """
    response.headers["Location"] = address.format(*(quote(name, safe="") for name in names))
    return response


def problem_answer(problem: Problem) -> Response:
    """The answer to the current request that tells of a problem."""
    asked = g.get("asked") or RequestContext(new_id("req"))
    headers, body = answer_to(problem, request.environ, asked.request_id)
    response = Response(body, problem.type.status, headers)
    if problem.type.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def in_language(response: Response, language: str) -> Response:
    """Says of an answer that it is in this language, and that another is given to who asks for another (RFC 9110, 8.5 and
    12.5.5): else a cache gives everybody the first."""
    response.headers["Content-Language"] = language
    response.vary.add("Accept-Language")
    return response


def _foreseen(error: Exception) -> Problem:
    problem = as_problem(error)
    if problem is not None:
        return problem
    if isinstance(error, OSError) and error.errno in _FULL:
        # An upload found no room in the temporary directory.
        return DISK_FULL(retry_after=_RETRY_SECONDS)
    if isinstance(error, HTTPException):
        if error.code == 404:
            return NOT_FOUND(what=request.path)
        if error.code == 405:
            return METHOD_NOT_ALLOWED()
        if error.code == 413:
            return TOO_LARGE(limit=_limit())
        if error.code is not None and 400 <= error.code < 500:
            return INPUT_INVALID(fields=[FieldError("", "http", error.description or error.name)])
    # The route and not the address, where somebody may have typed a name.
    route = request.url_rule.rule if request.url_rule else "-"
    log.exception("unexpected error", route=route, error=repr(error)[:200])
    return INTERNAL()


def _limit() -> str:
    """What a body or a form exceeds."""
    most = request.max_content_length
    if most is not None and (request.content_length or 0) > most:
        return f"{most} bytes"
    # Of a form, the texts and parts are counted by themselves.
    return f"{request.max_form_memory_size} bytes (text), {request.max_form_parts} (parts)"


def _invalid(error: ValidationError) -> Response:
    return problem_answer(validation_problem(error))


def validation_problem(error: ValidationError) -> Problem:
    """Pydantic's findings, field by field, in the language asked for."""
    told = (lambda e: e["msg"]) if request_context.language() == "en" else _in_chinese
    fields = [
        FieldError(".".join(str(part) for part in e["loc"]), e["type"], told(e))
        for e in error.errors(include_url=False, include_input=False)
    ]
    return INPUT_INVALID(fields=fields)


def _in_chinese(e: Any) -> str:
    return words_of(e["type"], e.get("ctx", {}), e["msg"])
