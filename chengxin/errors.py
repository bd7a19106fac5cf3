"""Errors as values with stable codes: the same one in Python, in gRPC (google.rpc) and in HTTP (RFC 9457)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

DOMAIN: Final = "chengxin"
LANGUAGES: Final = ("zh-CN", "en")
# How much a problem repeats of what the caller sent: characters of a word or a message, and things wrong.
_LONGEST_WORD: Final = 200
_LONGEST_MESSAGE: Final = 500
_MOST_FIELDS: Final = 100
# gRPC clients take 8 KiB of metadata; this is left for a problem in them.
_METADATA_BYTES: Final = 7_000
_BUSY: Final = (429, 503)
_RETRY_SECONDS: Final = 5


@dataclass(frozen=True)
class FieldError:
    """One thing wrong with the input: where, which rule, what it means and how to mend it."""

    field: str
    rule: str
    message: str

    def shortened(self, most: int) -> "FieldError":
        """The same, with at most so many characters of each text."""
        return FieldError(*(_shorten(text, most) for text in (self.field, self.rule, self.message)))


class InBoth(str):
    """Words of ours that fill a text, in both languages: each text gets its own. As one text it is both."""

    zh: str
    en: str

    def __new__(cls, zh: str, en: str) -> "InBoth":
        zh, en = _shorten(zh, _LONGEST_WORD), _shorten(en, _LONGEST_WORD)
        made = super().__new__(cls, f"{zh} / {en}")
        made.zh, made.en = zh, en
        return made


@dataclass(frozen=True)
class ProblemType:
    """A kind of error. Calling it makes the error to raise; words in `{braces}` are filled from the arguments."""

    code: str
    status: int
    grpc_code: grpc.StatusCode
    zh: str
    en: str

    def __call__(
        self, *, fields: Sequence[FieldError] = (), retry_after: float | None = None, **params: object
    ) -> "Problem":
        words = {name: value if isinstance(value, InBoth) else str(value) for name, value in params.items()}
        return Problem(self, words, tuple(fields), retry_after)


@dataclass
class Problem(Exception):
    """An error that the person at the other end reads.

    What it repeats of the caller's words is bounded here: an answer is not as long as its caller likes, and a gRPC
    status that is too long for a client's metadata does not arrive at all. One of an inability that passes says when to
    try again.
    """

    type: ProblemType
    params: Mapping[str, str] = field(default_factory=dict)
    fields: tuple[FieldError, ...] = ()
    retry_after: float | None = None

    def __post_init__(self) -> None:
        self.params = {
            name: text if isinstance(text, InBoth) else _shorten(text, _LONGEST_WORD)
            for name, text in self.params.items()
        }
        self.fields = tuple(error.shortened(_LONGEST_MESSAGE) for error in _first(self.fields))
        if self.retry_after is None and self.type.status in _BUSY:
            self.retry_after = _RETRY_SECONDS

    def __str__(self) -> str:
        return f"{self.type.code}: {self.text('en')}"

    @property
    def code(self) -> str:
        """The stable code, for example `AUDIT_UNAVAILABLE`."""
        return self.type.code

    def text(self, language: str) -> str:
        """What to tell the person, in `zh-CN` or `en`."""
        english = language == "en"
        words = {
            name: (text.en if english else text.zh) if isinstance(text, InBoth) else text
            for name, text in self.params.items()
        }
        return (self.type.en if english else self.type.zh).format_map(_Missing(words))

    def to_dict(self, language: str, request_id: str) -> dict[str, Any]:
        """The RFC 9457 problem document."""
        document: dict[str, Any] = {
            "type": f"urn:chengxin:problem:{self.code.lower().replace('_', '-')}",
            "title": self.code,
            "status": self.type.status,
            "code": self.code,
            "detail": self.text(language),
            "request_id": request_id,
        }
        if self.params:
            document["params"] = {name: str(text) for name, text in self.params.items()}
        if self.fields:
            document["errors"] = [{"field": f.field, "rule": f.rule, "message": f.message} for f in self.fields]
        if self.retry_after is not None:
            document["retry_after"] = self.retry_after
        return document

    def to_rpc(self, language: str, request_id: str) -> status_pb2.Status:
        """The google.rpc.Status with ErrorInfo, RequestInfo, BadRequest, RetryInfo and LocalizedMessage details.

        It fits into the metadata that a client takes: of many things wrong it tells the first.
        """
        problem, most = self, _LONGEST_WORD
        while _metadata_bytes(status := problem._to_rpc(language, request_id)) > _METADATA_BYTES and most > 1:
            if len(problem.fields) > 1:
                problem = replace(problem, fields=problem.fields[: len(problem.fields) // 2])
            else:
                most //= 2
                words = {name: _shorten(text, most) for name, text in problem.params.items()}
                problem = replace(problem, params=words, fields=tuple(f.shortened(most) for f in problem.fields))
        return status

    def _to_rpc(self, language: str, request_id: str) -> status_pb2.Status:
        details: list[Any] = [
            error_details_pb2.ErrorInfo(
                reason=self.code, domain=DOMAIN, metadata={**self.params, "http_status": str(self.type.status)}
            ),
            error_details_pb2.RequestInfo(request_id=request_id),
            *(error_details_pb2.LocalizedMessage(locale=lang, message=self.text(lang)) for lang in LANGUAGES),
        ]
        if self.fields:
            violations = [
                error_details_pb2.BadRequest.FieldViolation(field=f.field, reason=f.rule, description=f.message)
                for f in self.fields
            ]
            details.append(error_details_pb2.BadRequest(field_violations=violations))
        if self.retry_after is not None:
            delay = duration_pb2.Duration(
                seconds=int(self.retry_after), nanos=int((self.retry_after % 1) * 1_000_000_000)
            )
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        packed = []
        for detail in details:
            wrapper = any_pb2.Any()
            wrapper.Pack(detail)
            packed.append(wrapper)
        return status_pb2.Status(code=self.type.grpc_code.value[0], message=self.text(language), details=packed)

    @classmethod
    def from_rpc(cls, error: grpc.RpcError) -> "Problem":
        """The error that another service raised; what never reached a service becomes `UPSTREAM_UNAVAILABLE`."""
        status = rpc_status.from_call(error) if isinstance(error, grpc.Call) else None
        if status is None:
            return _without_details(error)
        info = error_details_pb2.ErrorInfo()
        bad = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        texts = {"zh-CN": status.message, "en": status.message}
        retry_after = None
        for detail in status.details:
            if detail.Unpack(info) or detail.Unpack(bad):
                continue
            if detail.Unpack(retry):
                retry_after = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
                continue
            localized = error_details_pb2.LocalizedMessage()
            if detail.Unpack(localized):
                texts[localized.locale] = localized.message
        if info.domain != DOMAIN:
            return _without_details(error)
        params = dict(info.metadata)
        grpc_code = next(c for c in grpc.StatusCode if c.value[0] == status.code)
        kind = ProblemType(
            info.reason,
            int(params.pop("http_status", _HTTP_STATUS.get(grpc_code, 500))),
            grpc_code,
            texts["zh-CN"].replace("{", "{{").replace("}", "}}"),
            texts["en"].replace("{", "{{").replace("}", "}}"),
        )
        fields = tuple(FieldError(v.field, v.reason, v.description) for v in bad.field_violations)
        return cls(kind, params, fields, retry_after)


def _shorten(text: str, most: int) -> str:
    """At most so many characters; a half of a character, which no answer takes, becomes a question mark."""
    if len(text) > most:
        text = text[: most - 1] + "…"
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _first(fields: Sequence[FieldError]) -> Sequence[FieldError]:
    if len(fields) <= _MOST_FIELDS:
        return fields
    more = len(fields) - _MOST_FIELDS + 1
    return [*fields[: _MOST_FIELDS - 1], FieldError("", "more", f"另有 {more} 处 / {more} more")]


def _metadata_bytes(status: status_pb2.Status) -> int:
    """How much of a client's metadata a status takes: it is in Base64, and its message percent-encoded beside it."""
    return len(status.SerializeToString()) * 4 // 3 + 3 * len(status.message.encode())


class _Missing(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "{" + key + "}"


def _without_details(error: grpc.RpcError) -> Problem:
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return NOT_IMPLEMENTED()
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return UPSTREAM_UNAVAILABLE(retry_after=1)
    return INTERNAL()


_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.FAILED_PRECONDITION: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
}

_registry: dict[str, ProblemType] = {}


def _define(code: str, status: int, grpc_code: grpc.StatusCode, zh: str, en: str) -> ProblemType:
    if code in _registry:
        raise ValueError(f"error code {code} is defined twice")
    _registry[code] = ProblemType(code, status, grpc_code, zh, en)
    return _registry[code]


def invalid(code: str, zh: str, en: str) -> ProblemType:
    """Defines an error of the input: 400, INVALID_ARGUMENT."""
    return _define(code, 400, grpc.StatusCode.INVALID_ARGUMENT, zh, en)


def unauthenticated(code: str, zh: str, en: str) -> ProblemType:
    """Defines an error of identity: 401, UNAUTHENTICATED."""
    return _define(code, 401, grpc.StatusCode.UNAUTHENTICATED, zh, en)


def forbidden(code: str, zh: str, en: str) -> ProblemType:
    """Defines a refusal: 403, PERMISSION_DENIED."""
    return _define(code, 403, grpc.StatusCode.PERMISSION_DENIED, zh, en)


def not_found(code: str, zh: str, en: str) -> ProblemType:
    """Defines an absence: 404, NOT_FOUND."""
    return _define(code, 404, grpc.StatusCode.NOT_FOUND, zh, en)


def conflict(code: str, zh: str, en: str) -> ProblemType:
    """Defines a clash with what exists: 409, ALREADY_EXISTS."""
    return _define(code, 409, grpc.StatusCode.ALREADY_EXISTS, zh, en)


def precondition(code: str, zh: str, en: str) -> ProblemType:
    """Defines an act that the state does not allow: 409, FAILED_PRECONDITION."""
    return _define(code, 409, grpc.StatusCode.FAILED_PRECONDITION, zh, en)


def not_implemented(code: str, zh: str, en: str) -> ProblemType:
    """Defines what nobody here understands: 501, UNIMPLEMENTED."""
    return _define(code, 501, grpc.StatusCode.UNIMPLEMENTED, zh, en)


def unsupported(code: str, zh: str, en: str) -> ProblemType:
    """Defines a form in which an address takes no body: 415, INVALID_ARGUMENT."""
    return _define(code, 415, grpc.StatusCode.INVALID_ARGUMENT, zh, en)


def exhausted(code: str, status: int, zh: str, en: str) -> ProblemType:
    """Defines a limit reached: 413 or 429, RESOURCE_EXHAUSTED."""
    return _define(code, status, grpc.StatusCode.RESOURCE_EXHAUSTED, zh, en)


def unavailable(code: str, zh: str, en: str) -> ProblemType:
    """Defines a passing inability: 503, UNAVAILABLE."""
    return _define(code, 503, grpc.StatusCode.UNAVAILABLE, zh, en)


def known_problems() -> list[ProblemType]:
    """Every error code defined so far in this process, by code."""
    return [_registry[code] for code in sorted(_registry)]


INPUT_INVALID = invalid(
    "INPUT_INVALID", "请求内容有误，请按 errors 逐项修正", "The request is invalid; see errors for each field"
)
UNAUTHENTICATED = unauthenticated(
    "UNAUTHENTICATED", "缺少有效的访问令牌，请先取得令牌：{reason}", "A valid access token is required: {reason}"
)
ROLE_NOT_ALLOWED = forbidden(
    "ROLE_NOT_ALLOWED",
    "当前身份（{roles}）无权执行此操作，需要：{required}",
    "The token's role ({roles}) may not do this; it takes: {required}",
)
STEP_UP_REQUIRED = forbidden(
    "STEP_UP_REQUIRED",
    "办理此事须先以下列方式之一核验身份：{required}（当前：{acr}）。oidc：经身份认证平台登录（GET /v1/identity/oidc/sign-in）；"
    "counter：到信用中心窗口出示证件，凭一次性码取得令牌（POST /v1/identity/counter/token）",
    "This takes an identity verified in one of these ways: {required} (yours: {acr}). oidc: sign in at the identity "
    "provider (GET /v1/identity/oidc/sign-in); counter: show your document at the credit centre's counter and exchange the "
    "code (POST /v1/identity/counter/token)",
)
NOT_FOUND = not_found("NOT_FOUND", "未找到：{what}", "Not found: {what}")
METHOD_NOT_ALLOWED = _define(
    "METHOD_NOT_ALLOWED",
    405,
    grpc.StatusCode.UNIMPLEMENTED,
    "此地址不支持该方法",
    "This address does not take that method",
)
IF_MATCH_FAILED = _define(
    "IF_MATCH_FAILED",
    412,
    grpc.StatusCode.FAILED_PRECONDITION,
    "自您读取后内容已有变动（If-Match 与现在的 {etag} 不符），请重新读取后再办",
    "It has changed since you read it (If-Match does not name {etag}, which it is now); read it again first",
)
IF_MATCH_REQUIRED = _define(
    "IF_MATCH_REQUIRED",
    428,
    grpc.StatusCode.FAILED_PRECONDITION,
    "他人也参与了编制：请先读取现在的内容，并在 If-Match 中写明其 ETag（现为 {etag}）",
    "Another officer wrote of this too: read it as it is, and name the ETag that you read in If-Match (it is {etag})",
)
IDEMPOTENCY_CONFLICT = conflict(
    "IDEMPOTENCY_CONFLICT",
    "同一 Idempotency-Key（{key}）已用于另一请求，请换一个",
    "The Idempotency-Key {key} was used for a different request; use a new one",
)
CONTENT_TYPE_UNSUPPORTED = unsupported(
    "CONTENT_TYPE_UNSUPPORTED",
    "此地址接受的请求内容类型（Content-Type）为：{expected}；收到的是：{given}",
    "The body of a request to this address has the Content-Type {expected}; yours has: {given}",
)
TOO_LARGE = exhausted("TOO_LARGE", 413, "内容超过上限 {limit}", "The content exceeds the limit of {limit}")
NOT_IMPLEMENTED = _define(
    "NOT_IMPLEMENTED", 501, grpc.StatusCode.UNIMPLEMENTED, "系统没有此方法", "There is no such method"
)
INTERNAL = _define(
    "INTERNAL",
    500,
    grpc.StatusCode.INTERNAL,
    "系统内部错误，请凭请求编号联系信用中心",
    "Internal error; quote the request id to the credit centre",
)
UPSTREAM_UNAVAILABLE = unavailable(
    "UPSTREAM_UNAVAILABLE",
    "所需服务暂不可用，请稍后重试",
    "A service behind this one is not available; try again shortly",
)
AUDIT_UNAVAILABLE = unavailable(
    "AUDIT_UNAVAILABLE",
    "审计服务不可用，操作未执行，请稍后重试",
    "The audit service is not available, so nothing was done; try again shortly",
)
FEED_POSITION_UNKNOWN = precondition(
    "FEED_POSITION_UNKNOWN",
    "数据流没有给出过位置 {after}（例如系统曾从备份恢复）：请从位置 0 重新读取",
    "The feed has given no position {after} (it may have been restored from a backup): begin again at 0",
)
STORE_UNAVAILABLE = unavailable(
    "STORE_UNAVAILABLE",
    "存储暂不可用，操作可能未执行，请稍后重试",
    "The store is not available; what was asked may not have been done. Try again shortly",
)
DISK_FULL = unavailable(
    "DISK_FULL",
    "系统磁盘空间不足，操作未执行，请稍后重试",
    "The system is short of disk space, so nothing was done; try again shortly",
)

HTTP_FROM_GRPC = _HTTP_STATUS
GRPC_OK = code_pb2.OK
