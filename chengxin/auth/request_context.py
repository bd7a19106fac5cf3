"""What belongs to the request being served: its id, the caller, the caller's language."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from typing import Final

from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from chengxin.auth.principal import Principal
from chengxin.errors import LANGUAGES, UNAUTHENTICATED, InBoth
from chengxin.values.ids import new_id

REQUEST_ID_HEADER: Final = "x-request-id"
# W3C Trace Context; the gateway adds one to each request that has none.
TRACEPARENT_HEADER: Final = "traceparent"


_DEFAULT: Final = LANGUAGES[0]
# As the gateway makes them (`chengxin.values.ids.new_id`).
_REQUEST_ID: Final = re.compile(r"req_[0-9a-v]{26}\Z")


@dataclass(frozen=True, slots=True)
class RequestContext:
    """One request on its way through the services."""

    request_id: str
    language: str = "zh-CN"
    principal: Principal | None = None
    traceparent: str = ""
    # The language that the answer was made in, once it was: without it the answer is the same to everybody.
    spoken: list[str] = field(default_factory=list, repr=False, compare=False)


_current: ContextVar[RequestContext | None] = ContextVar("chengxin_request", default=None)


def request_id_of(given: str) -> str:
    """The id that came with a request; a new one when it is not of the gateway's form.

    The id goes on record, and a caller that reaches a service past the gateway may send anything.
    """
    return given if _REQUEST_ID.match(given) else new_id("req")


def current() -> RequestContext:
    """The request being served; a new context when there is none, as in background work."""
    return _current.get() or RequestContext(new_id("req"))


def caller() -> Principal:
    """The verified caller of the request being served. Raises UNAUTHENTICATED when there is none."""
    if (principal := current().principal) is None:
        raise UNAUTHENTICATED(reason=InBoth("没有令牌", "there is none"))
    return principal


def language() -> str:
    """The language of the request being served. Who makes an answer in it asks here: the answer then says so."""
    request = current()
    if not request.spoken:
        request.spoken.append(request.language)
    return request.language


def hop() -> tuple[tuple[str, str], ...]:
    """Metadata by which a call to another service names the current request; empty outside a request."""
    if (request := _current.get()) is None:
        return ()
    trace = ((TRACEPARENT_HEADER, request.traceparent),) if request.traceparent else ()
    return ((REQUEST_ID_HEADER, request.request_id), *trace)


def begin(request: RequestContext) -> Token[RequestContext | None]:
    """Makes `request` the current one, until `end` is called with what this returns."""
    return _current.set(request)


def end(begun: Token[RequestContext | None]) -> None:
    """Makes the request current again that was so before `begin`."""
    _current.reset(begun)


@contextmanager
def serving(request: RequestContext) -> Iterator[RequestContext]:
    """Makes `request` the current one in this thread."""
    begun = begin(request)
    try:
        yield request
    finally:
        end(begun)


def pick_language(accept_language: str) -> str:
    """Of `zh-CN` and `en` the one that the header gives the greater weight (RFC 9110, 12.5.4), of two equal ones the
    first; `zh-CN` when it takes neither.

    werkzeug's own choice prefers what is spelt alike to what is preferred: English for `zh-TW, en;q=0.5`.
    """
    if not accept_language:
        return _DEFAULT
    # By the first part of each tag, the greatest weight; in the order of their weights.
    weights: dict[str, float] = {}
    for tag, weight in parse_accept_header(accept_language, LanguageAccept):
        weights.setdefault(tag.partition("-")[0].lower(), weight)
    taken = {language: weights.get(language[:2], weights.get("*", 0)) for language in LANGUAGES}
    order = [*weights, *(language[:2] for language in LANGUAGES)]
    best = max(sorted(LANGUAGES, key=lambda language: order.index(language[:2])), key=taken.__getitem__)
    return best if taken[best] else _DEFAULT
