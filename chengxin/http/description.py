"""The description of a service's HTTP face in OpenAPI 3.1, made from its routes and from the rules of their use cases.

A route declares what it answers when all goes well; what its parameters, its rule and its body can be refused with
follows from these. See docs/decisions/0047-the-description-tells-the-truth.md.
"""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, ClassVar, Final, get_type_hints

from flask_openapi3.models import RawModel
from flask_openapi3.models.media_type import MediaType
from flask_openapi3.models.request_body import RequestBody
from flask_openapi3.openapi import OpenAPI
from flask_openapi3.utils import parse_body
from pydantic import BaseModel, Field

from chengxin.auth.executor import NAMING
from chengxin.auth.policy import RULE, Rule
from chengxin.auth.principal import Role
from chengxin.values.document import RawDocument

PROBLEM_JSON: Final = "application/problem+json"
_JSON: Final = "application/json"
_REFERENCE: Final = "#/components/schemas/"
# A parameter of a route, as Flask writes it.
_PARAMETER: Final = re.compile(r"<(?:[^<:]+:)?([^<>]+)>")

# Header fields of answers, by name, as OpenAPI describes them.
ETAG: Final = "ETag"
LOCATION: Final = "Location"
# Header fields of requests.
IF_MATCH: Final = "If-Match"
IF_NONE_MATCH: Final = "If-None-Match"
_HEADERS: Final[Mapping[str, tuple[str, str]]] = {
    ETAG: ("string", "The version that is answered; send it as If-Match or If-None-Match (RFC 9110, 8.8.3)"),
    LOCATION: ("string", "Where to go, or the address of what was made (RFC 9110, 10.2.2)"),
    "Retry-After": ("integer", "Seconds after which to try again, where that is known (RFC 9110, 10.2.3)"),
    "WWW-Authenticate": ("string", "How to authenticate (RFC 9110, 11.6.1)"),
}
_OF_STATUS: Final = {"401": "WWW-Authenticate", "429": "Retry-After", "503": "Retry-After"}


class AnswerNotDescribed(TypeError):
    """A route does not say what it answers when all goes well: a mistake, found when the app is made."""


class FieldProblem(BaseModel):
    """One thing wrong with the input."""

    field: str = Field(description="Where; empty: the whole")
    rule: str = Field(description="Which rule is broken")
    message: str = Field(description="What it means and how to mend it")


class ProblemDocument(BaseModel):
    """RFC 9457 problem document."""

    type: str = Field(description="Stable URN of the kind of problem")
    title: str
    status: int
    code: str = Field(description="Stable code, for example AUDIT_UNAVAILABLE; see docs/errors.md")
    detail: str = Field(description="What is wrong and how to mend it, in the language asked for")
    request_id: str
    params: dict[str, str] = Field({}, description="The words that `detail` is filled with; left out when it has none")
    errors: list[FieldProblem] = Field([], description="What is wrong with the input; left out when that is not known")
    retry_after: float = Field(0, description="Seconds after which to try again; left out when that is not known")


class TypedUpload(RawModel):
    """A body that a view reads itself, in one of several media types."""

    contents: ClassVar[Mapping[str, type[BaseModel]]]


@dataclass(frozen=True)
class _DescribedAnswer:
    """What a route answers besides plain JSON."""

    model: type[BaseModel] | None
    media_types: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    # Why what was made has no address.
    unaddressed: str = ""


def tagged(model: type[BaseModel]) -> Any:
    """Declares an answer of JSON with an ETag."""
    return _DescribedAnswer(model, headers=(ETAG,))


def file_of(*media_types: str) -> Any:
    """Declares an answer that is a file of one of these media types."""
    return _DescribedAnswer(None, media_types)


def tagged_file_of(media_type: str) -> Any:
    """Declares an answer that is a file with an ETag."""
    return _DescribedAnswer(None, (media_type,), (ETAG,))


def json_or_file(model: type[BaseModel], *media_types: str) -> Any:
    """Declares an answer of JSON, or of a file when the caller asks for one."""
    return _DescribedAnswer(model, media_types)


def unchanged() -> Any:
    """Declares that whoever has the answer already, by its ETag, does not get it again (304)."""
    return _DescribedAnswer(None, headers=(ETAG,))


def made(described: Any) -> Any:
    """Declares that an answer names the address of what was made (`at_address`), beside what else it is."""
    answer = _described(described)
    return replace(answer, headers=(*answer.headers, LOCATION))


def made_without_address(model: type[BaseModel], why: str) -> Any:
    """Declares an answer of JSON about what was made, and says why that has no address of its own."""
    return _DescribedAnswer(model, unaddressed=why)


def redirect() -> Any:
    """Declares an answer that sends the caller to another address."""
    return _DescribedAnswer(None, headers=(LOCATION,))


def _described(declared: Any) -> _DescribedAnswer:
    return declared if isinstance(declared, _DescribedAnswer) else _DescribedAnswer(declared)


class DescribedApp(OpenAPI):
    """An app that describes each operation: what it takes, what it answers and refuses, and who may call it."""

    def __init__(self, *args: Any, **options: Any) -> None:
        """Takes what OpenAPI takes."""
        super().__init__(*args, **options)
        # What a view answers besides plain JSON, by endpoint and status.
        self._declared: dict[str, dict[str, _DescribedAnswer]] = {}
        # The media types of the body that a view is given, by endpoint.
        self._media_types: dict[str, tuple[str, ...]] = {}
        self._describing = threading.Lock()

    def media_types(self, endpoint: str) -> tuple[str, ...] | None:
        """The media types of the body that a view is given, empty when it is given none; None when it reads it itself."""
        return self._media_types.get(endpoint)

    @staticmethod
    def path_of(rule: str) -> str:
        """The path under which the description has a route."""
        return _PARAMETER.sub(r"{\1}", rule)

    def _collect_openapi_info(self, rule: str, func: Callable[..., Any], **told: Any) -> Any:
        """Called by flask-openapi3 for each route. Raises AnswerNotDescribed."""
        if told.get("doc_ui") is False:
            return super()._collect_openapi_info(rule, func, **told)
        declared: dict[Any, Any] = told.pop("responses") or {}
        if not any(int(status) < 400 for status in declared):
            raise AnswerNotDescribed(f"{told['method']} {rule} does not say what it answers (`responses=`)")
        described = {str(status): _described(value) for status, value in declared.items()}
        created = described.get("201")
        if created and LOCATION not in created.headers and not created.unaddressed:
            raise AnswerNotDescribed(f"{told['method']} {rule} does not say where what it makes is (`made`)")
        models: dict[Any, Any] = {status: value.model for status, value in described.items()}
        found = super()._collect_openapi_info(rule, func, responses=models, **told)
        raw = get_type_hints(func).get("raw")
        operation = getattr(self.paths[self.path_of(rule)], told["method"].lower())
        if raw is not None:
            operation.requestBody = RequestBody(content=self._contents(raw), required=True)
        else:
            self._media_types[func.__name__] = tuple(operation.requestBody.content) if operation.requestBody else ()
        if words := _beyond_schema(found):
            setattr(operation, "x-beyond-schema", words)
        self._declared[func.__name__] = described
        return found

    def _contents(self, upload: type[TypedUpload]) -> dict[str, MediaType]:
        found = {}
        for media_type, model in upload.contents.items():
            (body,), schemas = parse_body(model)[0].values(), parse_body(model)[1]
            self.components_schemas.update(schemas)
            found[media_type] = body
        return found

    @property
    def api_doc(self) -> dict[str, Any]:
        """The description, whole also for those who ask for it first at the same time."""
        with self._describing:
            return dict(super().api_doc)

    def generate_spec_json(self) -> None:
        """Makes the description, once."""
        super().generate_spec_json()  # type: ignore[no-untyped-call]
        self.spec_json["components"]["responses"] = {}
        self.spec_json["components"]["schemas"] |= {
            FieldProblem.__name__: FieldProblem.model_json_schema(),
            ProblemDocument.__name__: ProblemDocument.model_json_schema(ref_template=f"{_REFERENCE}{{model}}"),
        }
        self.spec_json["components"]["schemas"][ProblemDocument.__name__].pop("$defs")
        for route in self.url_map.iter_rules():
            operations = self.spec_json["paths"].get(self.path_of(route.rule), {})
            for method in route.methods or ():
                if method.lower() in operations:
                    self._complete(operations[method.lower()], route.endpoint)

    def _complete(self, operation: RawDocument, endpoint: str) -> None:
        rule = RULE.of(self.view_functions[endpoint])
        for status, value in self._declared[endpoint].items():
            _extend(operation["responses"][status], value)
        operation |= _who_may_call(rule)
        refuse(self.spec_json["components"]["responses"], operation, _refusals(rule, operation))


def refuse(shared: RawDocument, operation: RawDocument, statuses: set[str]) -> None:
    """Adds to an operation that it may answer with a problem document of these statuses, described among `shared`.

    What it says itself for one of them, other documents or header fields, stands beside it.
    """
    answers: RawDocument = operation["responses"]
    for status in sorted(statuses | {status for status in answers if status >= "400"}):
        own = answers.get(status, {}).get("content", {})
        # flask-openapi3 describes refusals of its own, which are not ours.
        other = {kind: body for kind, body in own.items() if kind == _JSON and not _is_problem(body["schema"])}
        if other:
            answers[status] = _problem(status, other)
        else:
            name = f"Problem{status}"
            shared.setdefault(name, _problem(status, {}))
            answers[status] = {"$ref": f"#/components/responses/{name}"}
    operation["responses"] = {status: answers[status] for status in sorted(answers)}


def _beyond_schema(taken: Sequence[Any]) -> list[str]:
    """What the models of a request say in words because no schema can (`beyond_schema`), with what they inherit."""
    models = [model for kind in taken if kind is not None for model in getattr(kind, "contents", {"": kind}).values()]
    told = [vars(base).get("beyond_schema", "") for model in models for base in model.__mro__]
    # Each once, in order.
    return list(dict.fromkeys(filter(None, told)))


def header_of(name: str, *, required: bool) -> RawDocument:
    """The description of a header field of an answer."""
    kind, told = _HEADERS[name]
    return {"description": told, "required": required, "schema": {"type": kind}}


def _refusals(rule: Rule | None, operation: RawDocument) -> set[str]:
    """The statuses with which an operation may be refused, by what it takes and by its rule."""
    # A body or a parameter that it does not take; and the store behind it may not answer.
    found = {"400", "503"}
    if "requestBody" in operation:
        found |= {"413", "415"}
        if "multipart/form-data" in operation["requestBody"]["content"]:
            # What a caller's files may cost is bounded.
            found.add("429")
    if any(one["in"] == "path" or one["name"] in NAMING for one in operation.get("parameters", ())):
        # What is named may not be there, or not for this caller.
        found.add("404")
    if any(one["name"] == IF_MATCH for one in operation.get("parameters", ())):
        found.add("412")
    if rule is not None:
        # The audit service may be away; who is named may be refused, or not be there.
        found |= {"401", "403"}
        if rule.permission is not None:
            found.add("404")
        if rule.changes:
            found.add("409")
    return found


def _who_may_call(rule: Rule | None) -> RawDocument:
    if rule is None or rule.open_to_all:
        return {"security": []}
    # Without a token one is the public: the gateway gives the call a token with that role.
    security: list[dict[str, list[str]]] = [{"bearer": []}, *([{}] if Role.PUBLIC in rule.roles else [])]
    return {"security": security, "x-roles": sorted(rule.roles)}


def _extend(response: RawDocument, value: _DescribedAnswer) -> None:
    if value.media_types:
        files = {media_type: {"schema": _file(media_type)} for media_type in value.media_types}
        response["content"] = response.get("content", {}) | files
    if value.headers:
        response["headers"] = {name: header_of(name, required=True) for name in value.headers}


def _file(media_type: str) -> RawDocument:
    return {"type": "string"} | ({} if media_type.startswith("text/") else {"format": "binary"})


def _is_problem(schema: RawDocument) -> bool:
    return bool(schema.get("items", schema) == {"$ref": _REFERENCE + ProblemDocument.__name__})


def _problem(status: str, other: RawDocument) -> RawDocument:
    described: RawDocument = {
        "description": HTTPStatus(int(status)).phrase,
        "content": other | {PROBLEM_JSON: {"schema": {"$ref": _REFERENCE + ProblemDocument.__name__}}},
    }
    if (name := _OF_STATUS.get(status)) is not None:
        described["headers"] = {name: header_of(name, required=name == "WWW-Authenticate" and not other)}
    return described
