"""A draft is compiled with the providers, reviewed by a second officer, and published by the authority (Art. 7)."""

import hashlib
from typing import Any

import pytest

from chengxin.errors import Problem
from chengxin_api.catalog.v1 import catalog_pb2 as pb
from services.catalog.domain.draft import Draft, ReviewDecision
from tests.catalog.conftest import CatalogCaller, RunningCatalog
from tests.catalog.licensing_entry import CONTENT, NOW
from tests.catalog.registers import COLOURS
from tests.support import until

MARKET = "11000000000000027K"
TAX = "11000000000000035E"
REVIEW_REQUIRED = {"name": "catalog", "effective_from": "2026-11-24", "values": {"review_required": 1}}
TODAY = {"revision": 1, "effective_from": "2026-11-24"}


@pytest.fixture
def drafted(catalog: RunningCatalog, licensing: dict[str, Any]) -> str:
    """A draft of the licensing entry, by its address."""
    return f"/v1/catalog/drafts/{catalog.authority.post('/v1/catalog/drafts', licensing).json['draft_id']}"


def provider(catalog: RunningCatalog, org: str = MARKET) -> CatalogCaller:
    return catalog.caller("provider", sub=f"client:{org}", org=org)


def test_a_draft_goes_from_hand_to_hand_until_it_is_published(
    catalog: RunningCatalog, drafted: str, licensing: dict[str, Any]
) -> None:
    authority, second = catalog.authority, catalog.caller("authority", sub="officer:second")
    remark = {"stance": "object", "text": "许可编号应为选填", "where": "items.15.required"}
    assert provider(catalog).post(f"{drafted}/comments", remark).status_code == 201
    licensing["update_cycle"] = "weekly"
    assert authority.put(drafted, licensing).json["revision"] == 2
    assert authority.post(f"{drafted}/submit", {}).json["state"] == "submitted"
    verdict = {"decision": "approve", "opinion": "符合国家标准", "revision": 2}
    reviewed = second.post(f"{drafted}/review", verdict).json
    assert reviewed["state"] == "reviewed"
    assert [(r["decision"], r["reviewer"], r["revision"]) for r in reviewed["reviews"]] == [
        ("approve", "officer:second", 2)
    ]
    period = TODAY | {"revision": 2, "publication_document": "阳发改信用〔2026〕1号"}
    published = authority.post(f"{drafted}/publish", period).json
    assert published["publication_document"] == "阳发改信用〔2026〕1号"
    assert catalog.anybody.get("/v1/catalog/entries/XZXK").json == published

    acts = ["draft.created", "draft.commented", "draft.edited", "draft.submitted", "draft.reviewed", "entry.published"]
    until(lambda: catalog.audit.of("entry.published"), "events are delivered")
    assert [e["act"] for e in catalog.audit.events if e["act"] in acts] == acts
    # The log has no text that people wrote, only proof that they wrote it.
    [commented] = catalog.audit.of("draft.commented")
    assert commented["details"]["text_sha256"] == hashlib.sha256("许可编号应为选填".encode()).hexdigest()
    assert not [e for e in catalog.audit.events if "许可编号" in str(e) or "符合" in str(e)]


def test_providers_see_and_comment_on_drafts_that_name_them(catalog: RunningCatalog, drafted: str) -> None:
    named, other = provider(catalog), provider(catalog, TAX)
    assert named.get(drafted).status_code == 200
    assert [d["code"] for d in named.get("/v1/catalog/drafts").json["drafts"]] == ["XZXK"]
    assert other.get("/v1/catalog/drafts").json["drafts"] == []
    remark = {"stance": "agree", "text": "无意见"}
    for refused in (
        other.get(drafted),
        other.get(f"{drafted}/diff"),
        other.get(f"{drafted}/comments"),
        other.post(f"{drafted}/comments", remark),
    ):
        # To other providers the draft does not exist.
        assert (refused.status_code, refused.json["code"]) == (404, "DRAFT_UNKNOWN")
    assert provider(catalog, "").get(drafted).json["code"] == "DRAFT_UNKNOWN"
    assert len([e for e in catalog.audit.events if e["outcome"] == "refused"]) == 5

    assert named.post(f"{drafted}/comments", remark).json["org"] == MARKET
    catalog.caller("centre", sub="officer:centre").post(f"{drafted}/comments", remark | {"stance": "remark"})
    first = named.get(f"{drafted}/comments?page_size=1").json
    second = named.get(f"{drafted}/comments?page_token={first['next_page_token']}").json
    assert [c["stance"] for c in (*first["comments"], *second["comments"])] == ["agree", "remark"]
    assert second["next_page_token"] == ""
    assert catalog.caller("agency").post(f"{drafted}/comments", remark).json["code"] == "ROLE_NOT_ALLOWED"
    assert named.post(f"{drafted}/submit", {}).json["code"] == "ROLE_NOT_ALLOWED"
    for text in ("", "   ", "\u3000"):
        assert named.post(f"{drafted}/comments", {"stance": "agree", "text": text}).status_code == 400

    catalog.authority.post(f"{drafted}/publish", TODAY)
    assert named.post(f"{drafted}/comments", remark).json["code"] == "DRAFT_PUBLISHED"


def test_who_asks_for_a_draft_that_is_not_there_is_on_record(
    catalog: RunningCatalog, licensing: dict[str, Any]
) -> None:
    path, authority = "/v1/catalog/drafts/draft_x", catalog.authority
    for act, asked in (
        ("draft.read", lambda: authority.get(path)),
        ("draft.compared", lambda: authority.get(f"{path}/diff")),
        ("draft.comments_listed", lambda: authority.get(f"{path}/comments")),
        ("draft.edited", lambda: authority.put(path, licensing)),
        ("draft.commented", lambda: authority.post(f"{path}/comments", {"stance": "agree", "text": "无意见"})),
        ("draft.submitted", lambda: authority.post(f"{path}/submit", {})),
        (
            "draft.reviewed",
            lambda: authority.post(f"{path}/review", {"decision": "approve", "opinion": "同意", "revision": 1}),
        ),
        ("entry.published", lambda: authority.post(f"{path}/publish", TODAY)),
    ):
        refused = asked()
        assert (act, refused.status_code, refused.json["code"]) == (act, 404, "DRAFT_UNKNOWN")
        [event] = catalog.audit.of(act)
        assert (event["outcome"], event["details"]) == ("refused", {"code": "DRAFT_UNKNOWN", "asked": ["draft_x"]})


def test_a_repeat_is_judged_by_the_draft_as_it_is_now(
    catalog: RunningCatalog, drafted: str, licensing: dict[str, Any]
) -> None:
    """Who may no longer see a draft gets no answer from when that was allowed."""
    second, key = catalog.caller("authority", sub="officer:second"), {"Idempotency-Key": "k1"}
    remark = {"stance": "agree", "text": "无意见"}
    verdict = {"decision": "return", "opinion": "补充", "revision": 1}
    assert provider(catalog).post(f"{drafted}/comments", remark, **key).status_code == 201
    catalog.authority.post(f"{drafted}/submit", {})
    assert second.post(f"{drafted}/review", verdict, **key).status_code == 200

    licensing["providers"] = [{"uscc": TAX, "name": "国家税务总局阳江市税务局"}]
    assert second.put(drafted, licensing, **{"If-Match": '"1"'}).status_code == 200
    assert provider(catalog).post(f"{drafted}/comments", remark, **key).json["code"] == "DRAFT_UNKNOWN"
    assert second.post(f"{drafted}/review", verdict, **key).json["code"] == "REVIEW_OWN_WORK"


def test_nobody_reviews_what_they_wrote_or_submitted(
    catalog: RunningCatalog, drafted: str, licensing: dict[str, Any]
) -> None:
    second, third = (catalog.caller("authority", sub=f"officer:{n}") for n in ("second", "third"))
    verdict = {"decision": "approve", "opinion": "同意", "revision": 2}
    second.put(drafted, licensing, **{"If-Match": '"1"'})
    assert third.post(f"{drafted}/review", verdict).json["code"] == "DRAFT_NOT_SUBMITTED"
    third.post(f"{drafted}/submit", {})
    assert catalog.caller("centre").post(f"{drafted}/review", verdict | {"opinion": " "}).status_code == 400
    for author in (catalog.authority, second, third):
        refused = author.post(f"{drafted}/review", verdict)
        assert (refused.status_code, refused.json["code"]) == (403, "REVIEW_OWN_WORK")
    # The attempts are on record.
    refusals = [e["details"]["code"] for e in catalog.audit.of("draft.reviewed") if e["outcome"] == "refused"]
    assert refusals == ["DRAFT_NOT_SUBMITTED", *["REVIEW_OWN_WORK"] * 3]
    centre = catalog.caller("centre", sub="officer:centre")
    assert centre.post(f"{drafted}/review", verdict | {"revision": 1}).json["code"] == "DRAFT_CHANGED"
    assert centre.post(f"{drafted}/review", verdict).json["state"] == "reviewed"


def test_when_review_is_required_nothing_is_published_without(
    catalog: RunningCatalog, drafted: str, licensing: dict[str, Any]
) -> None:
    authority, centre = catalog.authority, catalog.caller("centre", sub="officer:centre")
    assert authority.post("/v1/catalog/rules", REVIEW_REQUIRED).status_code == 201

    def publishes() -> str:
        revision = authority.get(drafted).json["revision"]
        answered = authority.post(f"{drafted}/publish", TODAY | {"revision": revision})
        return str(answered.json.get("code") if answered.status_code != 200 else "published")

    def decides(decision: str, revision: int) -> None:
        authority.post(f"{drafted}/submit", {})
        assert publishes() == "REVIEW_MISSING"
        verdict = {"decision": decision, "opinion": "见附件", "revision": revision}
        assert centre.post(f"{drafted}/review", verdict).status_code == 200

    assert publishes() == "REVIEW_MISSING"
    decides("return", 1)
    assert publishes() == "REVIEW_MISSING"
    decides("approve", 1)
    # A draft that was changed after its review must be reviewed again.
    authority.put(drafted, licensing)
    assert publishes() == "REVIEW_MISSING"
    decides("approve", 2)
    assert publishes() == "published"
    assert [r["decision"] for r in authority.get(drafted).json["reviews"]] == ["return", "approve", "approve"]
    assert authority.post(f"{drafted}/submit", {}).json["code"] == "DRAFT_PUBLISHED"


def test_what_is_published_was_read_and_no_edit_is_of_what_another_wrote_unseen(
    catalog: RunningCatalog, drafted: str, licensing: dict[str, Any]
) -> None:
    """Drafts of entries and of code lists: else a county's later edit is in force for the whole city, unread."""
    list_draft = catalog.authority.post("/v1/catalog/code-lists/drafts", COLOURS)
    codes = f"/v1/catalog/code-lists/drafts/{list_draft.json['draft_id']}"
    county = catalog.caller("authority", sub="officer:county", region="441702")
    for path, content, wrote in (
        (drafted, licensing, licensing | {"update_cycle": "weekly"}),
        (codes, COLOURS, COLOURS | {"standard": "另一标准"}),
    ):
        for unseen in ({}, {"If-Match": "*"}):
            refused = county.put(path, wrote, **unseen)
            assert (refused.status_code, refused.json["code"]) == (428, "IF_MATCH_REQUIRED")
            assert refused.json["params"] == {"etag": '"1"'}
        # Who alone wrote it needs none.
        assert catalog.authority.put(path, content).json["revision"] == 2
        assert county.put(path, wrote, **{"If-Match": '"1"'}).status_code == 412
        edited = county.put(path, wrote, **{"If-Match": '"2"'})
        assert (edited.headers["ETag"], edited.json["authors"]) == ('"3"', ["officer:authority", "officer:county"])
        # Now the first author has not seen it either.
        assert catalog.authority.put(path, content).status_code == 428

        refused = catalog.authority.post(f"{path}/publish", {"effective_from": "2026-11-24"})
        assert [(e["field"], refused.status_code) for e in refused.json["errors"]] == [("revision", 400)]
        refused = catalog.authority.post(f"{path}/publish", TODAY | {"revision": 2})
        assert (refused.status_code, refused.json["code"]) == (409, "DRAFT_CHANGED")
        assert catalog.authority.post(f"{path}/publish", TODAY | {"revision": 3}).json["version"] == 1
    [event] = until(lambda: _with_draft(catalog, "code_list.published"), "the event is delivered")
    assert event["details"]["revision"] == 3


def _with_draft(catalog: RunningCatalog, act: str) -> list[dict[str, Any]]:
    return [e for e in catalog.audit.of(act) if e["outcome"] == "ok" and "draft_id" in e["details"]]


def test_nothing_is_published_for_a_provider_that_is_closed(catalog: RunningCatalog, drafted: str) -> None:
    organisation = {
        "name": "阳江市市场监督管理局",
        "kind": "administrative_organ",
        "region": "441700",
        "functions": ["provider"],
        "responsible_unit": "信用管理科",
    }
    path = f"/v1/catalog/organisations/{MARKET}"
    assert catalog.authority.put(path, organisation | {"active": False}).status_code == 200
    refused = catalog.authority.post(f"{drafted}/publish", TODAY).json
    assert refused["code"] == "ENTRY_INVALID"
    assert [(e["field"], e["rule"]) for e in refused["errors"]] == [("providers.0.uscc", "provider.closed")]
    assert catalog.authority.put(path, organisation).status_code == 200
    assert catalog.authority.post(f"{drafted}/publish", TODAY).status_code == 200


def test_a_rule_of_review_counts_from_its_day_on(catalog: RunningCatalog, drafted: str) -> None:
    catalog.authority.post("/v1/catalog/rules", REVIEW_REQUIRED | {"effective_from": "2026-11-25"})
    assert catalog.authority.post(f"{drafted}/publish", TODAY).status_code == 200


def test_a_submitted_draft_is_submitted_once_and_as_it_was_seen(catalog: RunningCatalog, drafted: str) -> None:
    assert catalog.authority.post(f"{drafted}/submit", {"revision": 2}).json["code"] == "DRAFT_CHANGED"
    key = {"Idempotency-Key": "s1"}
    first = catalog.authority.post(f"{drafted}/submit", {"revision": 1}, **key)
    assert catalog.authority.post(f"{drafted}/submit", {"revision": 1}, **key).json == first.json
    assert catalog.authority.post(f"{drafted}/submit", {}).json["code"] == "DRAFT_NOT_OPEN"


def test_an_entry_is_retired_with_its_basis(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    authority = catalog.authority
    authority.publishes(licensing, "2026-12-01")

    def retires(day: str) -> Any:
        body = {"effective_to": day, "basis": "《行政许可法》修订"}
        return authority.post("/v1/catalog/entries/XZXK/retire", body)

    for basis in ("", "  "):
        refused = authority.post("/v1/catalog/entries/XZXK/retire", {"effective_to": "2026-12-31", "basis": basis})
        assert [e["field"] for e in refused.json["errors"]] == ["basis"]
    assert retires("2026-11-23").json["code"] == "RETIREMENT_BACKDATED"
    assert retires("2026-11-30").json["code"] == "RETIREMENT_BEFORE_START"
    retired = retires("2026-12-31").json
    assert (retired["version"], retired["effective_to"], retired["retirement_basis"]) == (
        *(1, "2026-12-31", "《行政许可法》修订"),
    )
    assert retires("2027-01-31").json["code"] == "RETIREMENT_LATE"
    assert [e["code"] for e in catalog.anybody.get("/v1/catalog/entries?as_of=2026-12-31").json["entries"]] == ["XZXK"]
    assert catalog.anybody.get("/v1/catalog/entries?as_of=2027-01-01").json["entries"] == []
    refusals = [e["details"]["code"] for e in catalog.audit.of("entry.retired") if e["outcome"] == "refused"]
    assert refusals == ["RETIREMENT_BACKDATED", "RETIREMENT_BEFORE_START", "RETIREMENT_LATE"]

    def done() -> list[Any]:
        return [e for e in catalog.audit.of("entry.retired") if e["outcome"] == "ok"]

    [event] = until(done, "the event is delivered")
    basis = hashlib.sha256("《行政许可法》修订".encode()).hexdigest()
    assert event["details"] == {"version": 1, "effective_to": "2026-12-31", "basis_sha256": basis}

    # Followers learn of it as of any other change of an entry.
    stream = catalog.stub.Watch(pb.WatchRequest(), metadata=catalog.metadata("service"), timeout=20)
    entries = (change.entry for change in stream if change.WhichOneof("change") == "entry")
    assert [next(entries).retirement_basis for _ in range(2)] == ["", "《行政许可法》修订"]
    stream.cancel()

    # It can be brought back, by a version that begins later.
    assert authority.publishes(licensing, "2027-02-01").json["version"] == 2
    versions = catalog.anybody.get("/v1/catalog/entries/XZXK/versions").json["entries"]
    assert [(v["effective_to"], v["retirement_basis"]) for v in versions] == [
        ("2026-12-31", "《行政许可法》修订"),
        ("", ""),
    ]


def test_only_the_authority_retires(catalog: RunningCatalog, licensing: dict[str, Any]) -> None:
    catalog.authority.publishes(licensing, "2026-11-24")
    body = {"effective_to": "2026-12-31", "basis": "依据"}
    assert catalog.caller("centre").post("/v1/catalog/entries/XZXK/retire", body).json["code"] == "ROLE_NOT_ALLOWED"
    assert catalog.authority.post("/v1/catalog/entries/NOPE/retire", body).json["code"] == "ENTRY_UNKNOWN"
    assert [e["details"]["code"] for e in catalog.audit.of("entry.retired")] == ["ROLE_NOT_ALLOWED", "ENTRY_UNKNOWN"]


def test_a_change_is_shown_in_words_before_and_after_it_is_published(
    catalog: RunningCatalog, drafted: str, licensing: dict[str, Any]
) -> None:
    authority = catalog.authority
    new = authority.get(f"{drafted}/diff").json
    assert (new["from"], new["compatibility"], new["changes"]) == (0, "none", [])
    authority.post(f"{drafted}/publish", TODAY)

    licensing["items"][11]["required"] = False
    licensing["items"][25]["modes"] = ["shared", "authorized"]
    draft = authority.post("/v1/catalog/drafts", licensing).json["draft_id"]
    before = provider(catalog).get(f"/v1/catalog/drafts/{draft}/diff").json
    assert (before["from"], before["compatibility"], before["widens_exposure"]) == (1, "loosens", True)
    [freed, shown] = before["changes"]
    assert (freed["where"], freed["effect"], freed["before"], freed["after"]) == (
        *("items.XK_XKWS.required", "loosens", True, False),
    )
    assert freed["zh"] == "信息项 XK_XKWS（行政许可决定文书名称）改为选填"
    assert freed["en"] == "item XK_XKWS: it is optional now"
    assert (shown["effect"], shown["exposure"]) == ("none", "widens")

    authority.post(f"/v1/catalog/drafts/{draft}/publish", {"revision": 1, "effective_from": "2027-01-01"})
    after = catalog.anybody.get("/v1/catalog/entries/XZXK/diff?from=1&to=2").json
    assert after["changes"] == before["changes"]
    assert catalog.anybody.get("/v1/catalog/entries/XZXK/diff?from=2").json["compatibility"] == "tightens"
    assert catalog.anybody.get("/v1/catalog/entries/XZXK/diff?from=9").json["code"] == "ENTRY_UNKNOWN"
    assert catalog.anybody.get("/v1/catalog/entries/XZXK/diff").status_code == 400
    published = until(lambda: len(found := catalog.audit.of("entry.published")) == 2 and found, "events are delivered")
    assert published[1]["details"]["compatibility"] == "loosens"


def test_who_has_written_a_draft_meanwhile_cannot_review_it() -> None:
    draft = Draft("draft_1", CONTENT, NOW, NOW, authors=("officer:a",)).submitted("officer:b", NOW, 1)
    for author in ("officer:a", "officer:b"):
        with pytest.raises(Problem) as refused:
            draft.reviewed(ReviewDecision.APPROVE, "同意", author, NOW, 1)
        assert refused.value.code == "REVIEW_OWN_WORK"
    assert draft.reviewed(ReviewDecision.RETURN, "不同意", "officer:c", NOW, 1).state == "draft"
