"""A rebuild makes the views again from the feeds, compares and switches, and misses nothing, whatever interrupts it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.people import people
from services.disclosure.domain.record_fragments import packed
from tests.city import City, running_city
from tests.e2e.registrations import registrations, write
from tests.support import freeze, serving, until

pytestmark = pytest.mark.long
PEOPLE = ("li_na",)


# The search shows at most a thousand of the subjects that it finds.
SEARCHED = ("工程", "服务", "制造", "医院", "协会", "贸易", "科技", "中心", "中学", "银行")


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    """A city of its own: it is taken apart."""
    with running_city(tmp_path_factory.mktemp("rebuilt")) as found:
        yield found


def seen(city: City) -> dict[str, Any]:
    """What each role sees of some subjects, without request numbers."""
    found: dict[str, Any] = {}
    for name in PEOPLE:
        found[name] = city.citizen(name).get("/v1/me/records?page_size=200")
    for text in SEARCHED:
        page = until(lambda q=text: _page(city, q), "the search has taken in who is one", 60)
        found[f"search {text}"] = page["subjects"]
    for subject in [subject for text in SEARCHED for subject in found[f"search {text}"]]:
        found[subject["subject_ref"]] = city.anybody.get(f"/v1/public/subjects/{subject['subject_ref']}")
    for answer in found.values():
        if isinstance(answer, dict):
            answer.pop("audit_event_id")
    return found


def _page(city: City, text: str) -> dict[str, Any] | None:
    """A page of the public search; None while it has one subject twice, of two that have just become one."""
    page = city.anybody.get(f"/v1/public/subjects?q={text}&page_size=200")
    refs = [subject["subject_ref"] for subject in page["subjects"]]
    return page if len(set(refs)) == len(refs) else None


def rebuilt(city: City) -> dict[str, Any]:
    """Starts a rebuild, and waits for it."""
    begun = city.centre.post("/v1/operations/disclosure/rebuild", {})

    def done() -> dict[str, Any] | None:
        told = city.edge.call("GET", "/v1/operations/disclosure/rebuild", city.centre.token())
        over = told.status == 200 and told.body["generation"] == begun["generation"] and told.body["state"] == "done"
        return told.body if over else None

    return until(done, "it is rebuilt", 120)


def test_a_rebuild_finds_no_difference_and_changes_no_answer(town: City) -> None:
    before = seen(town)
    told = rebuilt(town)
    assert (told["differences"], told["listed"]) == (0, [])
    number = told["generation"]
    assert told["compared"] == town.store("disclosure")[f"subjects.{number}"].count_documents({}) > 20
    until(lambda: town.edge.call("GET", "/readyz").status == 200, "the search has the names again", 60)
    assert seen(town) == before
    assert town.verify_log().returncode == 0
    events = town.supervisor.get("/v1/audit/events?act=disclosure.rebuild_asked")["events"]
    assert len(events) == 1


def test_what_was_altered_is_listed_and_as_it_was_again(town: City) -> None:
    before = seen(town)
    store = town.store("disclosure")
    number = store["generations"].find_one({"_id": "current"})["number"]
    ref = before["li_na"]["subject"]["subject_ref"]
    row = store[f"subjects.{number}"].find_one({"_id": ref})
    tail = row["tail"].replace("李娜".encode(), "李婷".encode())
    assert tail != row["tail"]
    store[f"subjects.{number}"].update_one({"_id": ref}, {"$set": {"tail": tail}})
    company = town.anybody.get("/v1/public/subjects?q=工程")["subjects"][0]["subject_ref"]
    store[f"subjects.{number}"].update_one({"_id": company}, {"$set": {"tail": packed([])}})
    assert seen(town) != before
    position = followed(town)
    told = rebuilt(town)
    assert told["differences"] > 0
    assert {(d["subject_ref"], d["what"]) for d in told["listed"]} >= {(ref, "differs"), (company, "more")}
    assert {d["subject_ref"] for d in told["listed"]} == {ref, company}
    assert seen(town) == before
    # The public feed announces the differences.
    shown = {record["record_id"] for record in before[company]["records"]}
    lost = {d["record_id"] for d in told["listed"] if d["subject_ref"] == company} & shown
    assert lost
    found: set[str] = set()

    def told_again() -> bool:
        page = town.anybody.get(f"/v1/public/feed?after={position}")
        found.update(c["record_id"] for c in page["changes"] if c["record"])
        return lost <= found

    until(told_again, "the feed tells it", 30)


def followed(city: City) -> int:
    """The newest position of the public feed."""
    position = 0
    while (page := city.anybody.get(f"/v1/public/feed?after={position}"))["position"] > position:
        position = page["position"]
    return position


def test_a_rebuild_that_is_killed_goes_on(town: City) -> None:
    before = seen(town)
    begun = town.centre.post("/v1/operations/disclosure/rebuild", {})
    pid = town.pids()["disclosure"]

    def under_way() -> bool:
        told = town.edge.call("GET", "/v1/operations/disclosure/rebuild", town.centre.token())
        return told.status == 200 and told.body["state"] == "filling"

    until(under_way, "it has begun")
    os.kill(pid, signal.SIGKILL)

    def done() -> bool:
        told = town.edge.call("GET", "/v1/operations/disclosure/rebuild", town.centre.token())
        same = told.status == 200 and told.body["generation"] == begun["generation"]
        return bool(same and told.body["state"] == "done" and told.body["differences"] == 0)

    until(done, "it is rebuilt", 120)
    until(lambda: town.edge.call("GET", "/readyz").status == 200, "all is ready again", 60)
    assert seen(town) == before


def test_a_rebuild_while_records_come_finds_no_difference_and_loses_none(town: City, tmp_path: Path) -> None:
    rows = registrations(4_000, 760_000)
    file = write(tmp_path / "meanwhile.csv", rows)
    command = [str(Path(sys.executable).with_name("chengxin")), "submit", str(file), "--catalog", "QYDJ"]
    with subprocess.Popen(command, env=os.environ | {"CHENGXIN_HOME": str(town.home)}) as client:
        assert rebuilt(town)["differences"] == 0
        assert client.wait(200) == 0
    town.await_disclosure(town.last_change("ingest"))
    assert rebuilt(town)["differences"] == 0
    for row in rows[::400]:
        code = row["统一社会信用代码"]
        [found] = until(lambda code=code: _found(town, code), "it is found", 60)
        assert found["uscc"] == code


def _found(city: City, code: str) -> list[dict[str, Any]]:
    answer = city.edge.call("GET", f"/v1/public/subjects?q={code}", "")
    return list(answer.body["subjects"]) if answer.status == 200 else []


def test_officers_decisions_are_in_what_is_rebuilt(town: City) -> None:
    """No feed has them."""
    companies = [s for s in town.anybody.get("/v1/public/subjects?q=工程")["subjects"] if s["uscc"]]
    one, other = (s["subject_ref"] for s in companies[:2])
    both = [{"subject_ref": one}, {"subject_ref": other}]
    proposal = town.centre.post("/v1/subjects/links", {"subjects": both, "reason": "同一主体"})
    town.authority.post(f"/v1/subjects/proposals/{proposal['proposal_id']}/approve", {})
    merged = town.centre.post("/v1/subjects/queries", {"subject_ref": one})
    assert {m["subject_ref"] for m in merged["members"]} >= {one, other}
    before = seen(town)
    assert rebuilt(town)["differences"] == 0
    assert seen(town) == before
    again = town.centre.post("/v1/subjects/queries", {"subject_ref": other})
    assert {m["subject_ref"] for m in again["members"]} >= {one, other}


def test_the_home_of_a_version_before_generations_starts_and_is_filled(tmp_path: Path) -> None:
    """Its collections have no number in their names, and another shape."""
    number = people()["li_na"].identity_number
    assert number
    with running_city(tmp_path) as city:
        before = seen(city)
        store = city.store("disclosure")
        freeze(serving(city.pids()["disclosure"]))
        for name in store.list_collection_names():
            if name.endswith(".2"):
                # Where a record was, whether it is to be archived, and decisions on links: nothing else of it is read.
                if name in ("records.2", "links.2"):
                    store[name.removesuffix(".2")].insert_many(list(store[name].find()))
                store[name].drop()
        store["subjects"].insert_one({"_id": "s_old", "kind": "enterprise", "own": b"{}"})
        for source in ("catalog", "ingest", "objection"):
            store["positions"].delete_one({"_id": f"feed.{source}.2"})
            store["positions"].insert_one({"_id": f"feed.{source}", "position": 10_000})
        store["generations"].drop()
    with running_city(tmp_path) as city:
        until(lambda: city.edge.call("GET", "/readyz").status == 200, "it is filled", 120)
        assert seen(city) == before
        assert city.verify_log().returncode == 0


def test_the_command_tells_how_far_it_is(town: City) -> None:
    proof = town.people["officers"]["centre"]
    token = town.centre.token()
    sessions = {"": {"username": proof["username"]}, proof["username"]: {"token": token, "until": 4e9}}
    from chengxin_cli import officer_session

    (town.home / officer_session._FILE).write_text(json.dumps(sessions))
    done = town.chengxin("disclosure", "rebuild")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "done"
    assert json.loads(town.chengxin("disclosure", "rebuild", "--status").stdout)["differences"] == 0
