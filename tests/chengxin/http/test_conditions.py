"""Conditions of requests are read as RFC 9110 says (13.1): which versions a caller acts on."""

import pytest
from flask import Response
from pydantic import BaseModel, ValidationError

from chengxin.auth.policy import open_to_all
from chengxin.http.web import ConditionalRequest, KeptCopyRequest, RepeatableRequest, answer, bare_app

VERSION = 7


def acts(if_match: str) -> bool:
    """Whether a request with this field acts on the version that is there."""
    return not ConditionalRequest.model_validate({"If-Match": if_match}).seen.leave_out(VERSION)


@pytest.mark.parametrize("field", ['"7"', "7", "*", '"6", "7"', '"6","7" , "x"', 'W/"7", "7"'])
def test_a_version_that_is_among_those_seen_is_acted_on(field: str) -> None:
    assert acts(field)


@pytest.mark.parametrize(
    "field", ['W/"7"', '"6"', '"6", W/"7"', '"07"', '"x"', '""', '"v,7"', '"\xe9"', '"9999999999"']
)
def test_another_version_or_a_weak_tag_is_not(field: str) -> None:
    assert not acts(field)


@pytest.mark.parametrize(
    "field", ["", "x", '"7', '7"', '"7" "8"', "7, 8", '"7 "', '*, "7"', 'w/"7"', '"7"' * 400, "-7", "07.0"]
)
def test_what_is_no_list_of_tags_is_refused(field: str) -> None:
    with pytest.raises(ValidationError):
        acts(field)


def test_a_condition_that_an_address_does_not_look_at_changes_nothing() -> None:
    class Unconditional(BaseModel):
        """Nothing."""

    app = bare_app("trial", None)
    changed = []

    @app.post("/v1/trial", responses={200: Unconditional})
    @open_to_all("a trial")
    def trial(header: RepeatableRequest) -> Response:
        changed.append(header)
        return answer({})

    client = app.test_client()
    for name, field in (("If-Match", '"7"'), ("If-Match", "*"), ("If-None-Match", "*"), ("If-None-Match", "")):
        refused = client.post("/v1/trial", headers={name: field})
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, name)
    assert not changed
    assert client.post("/v1/trial").status_code == 200


def test_without_a_condition_any_version_is_acted_on() -> None:
    assert not ConditionalRequest.model_validate({}).seen.leave_out(VERSION)


@pytest.mark.parametrize(
    ("field", "has"), [('"7"', True), ('W/"7"', True), ('"6", W/"7"', True), ("*", True), ('"6"', False), ("", False)]
)
def test_a_copy_is_compared_weakly(field: str, has: bool) -> None:
    assert KeptCopyRequest.model_validate({"If-None-Match": field}).has("7") is has
