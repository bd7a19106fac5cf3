"""The loaded world, as it is seen through the gateway."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from chengxin.values.clock import SystemClock
from demo.records import deliveries
from demo.world import associations, catalog, companies, institutions, people, providers_of
from tests.city import City
from tests.demo.periods import last_day
from tests.support import until

BODIES = {o.uscc: o for o in (*companies(), *institutions(), *associations())}


def _since(city: City) -> date:
    return date.fromisoformat(city.people["since"])


def _demo(city: City, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "demo", *arguments]
    environment = os.environ | {"CHENGXIN_HOME": str(city.home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def _pages(city: City, address: str) -> Iterator[dict[str, Any]]:
    token = ""
    while True:
        page = city.anybody.get(f"{address}?page_size=200&page_token={token}")
        yield page
        if not (token := page["next_page_token"]):
            return


def _shown(city: City, uscc: str) -> dict[tuple[str, str], dict[str, str]]:
    """What the public sees of an organisation, by entry and number of the legal document."""
    [subject] = city.anybody.get(f"/v1/public/subjects?q={uscc}")["subjects"]
    found = {}
    for page in _pages(city, f"/v1/public/subjects/{subject['subject_ref']}"):
        for record in page["records"]:
            number = catalog()[record["entry_code"]]["legal_document"]["number"]
            found[record["entry_code"], record["items"][number]] = record["items"]
    return found


def _told(city: City, uscc: str) -> Iterator[tuple[str, dict[str, str]]]:
    for delivery in deliveries(_since(city)):
        for record in delivery.records:
            if uscc in (record.get(code) for code in catalog()[delivery.entry_code]["subject_id_items"]):
                yield delivery.entry_code, record


def test_the_directory_names_everybody_who_provides_and_where(city: City) -> None:
    told = {o["uscc"]: o for page in _pages(city, "/v1/catalog/organisations") for o in page["organisations"]}
    providers = {provider.uscc for code in catalog() for provider in providers_of(code)}
    assert {uscc for uscc, o in told.items() if "provider" in o["functions"]} == providers
    assert {f for o in told.values() for f in o["functions"]} == {"authority", "centre", "provider"}
    [court] = city.anybody.get("/v1/catalog/organisations?region=441702")["organisations"]
    assert (court["kind"], court["responsible_unit"]) == ("judicial_organ", "信用工作科室")


def test_there_is_something_to_look_into(city: City) -> None:
    """Old penalties that were delivered all at once, and a company to which two providers give different names."""
    bureau = city.machine("environment_bureau", scope="provider")
    [finding] = bureau.get("/v1/submissions/findings?kind=backdating")["findings"]
    assert (finding["provider_name"], finding["state"]) == ("阳江市生态环境局", "open")
    company = city.citizen("huang_yong", companies()[14].uscc)
    [conflict] = until(lambda: company.get("/v1/me/records")["conflicts"], "disclosure has taken in all")
    assert company.get("/v1/me/records")["subject"]["name"] == companies()[14].name
    told = {statement["value"] for statement in conflict["statements"]}
    assert told == {"阳江演示餐饮管理有限公司", "阳江演示餐饮服务部"}


@pytest.mark.parametrize("uscc", BODIES, ids=[o.name for o in BODIES.values()])
def test_the_public_sees_what_is_public_and_in_its_period_and_nothing_else(city: City, uscc: str) -> None:
    today = SystemClock().today().isoformat()
    revoked = next(d for d in deliveries(_since(city)) if d.submission_id == "demo-XZCF-market_regulator").records[1]
    shown = _shown(city, uscc)
    for code, record in _told(city, uscc):
        entry = catalog()[code]
        over = (last_day(entry, record) or today) < today
        visible = "public" in entry["modes"] and not over and record != revoked
        assert ((code, record[entry["legal_document"]["number"]]) in shown) == visible, (code, record)


def test_one_record_is_amended(city: City) -> None:
    first = next(d for d in deliveries(_since(city)) if d.submission_id == "demo-XZXK-market_regulator").records[0]
    shown = _shown(city, companies()[0].uscc)["XZXK", first["XK_WSH"]]
    assert shown["XK_NR"] == "食品经营（预包装食品销售、热食类食品制售）" != first["XK_NR"]


def test_li_na_sees_all_of_hers_also_what_is_over(city: City) -> None:
    number = people()["li_na"].identity_number
    hers = [d.entry_code for d in deliveries(_since(city)) for r in d.records if number in r.values()]
    assert sorted(r["entry_code"] for r in city.li_na.get("/v1/me/records?page_size=200")["records"]) == sorted(hers)


def test_loading_again_changes_nothing(city: City) -> None:
    records = city.store("ingest")["records"]
    drafts = city.store("catalog")["drafts"]
    before = {r["_id"]: r["version"] for r in records.find()}, drafts.count_documents({})
    done = _demo(city, "load", str(city.home))
    assert done.returncode == 0, done.stdout + done.stderr
    assert ({r["_id"]: r["version"] for r in records.find()}, drafts.count_documents({})) == before
    assert before[1] >= len(catalog())


def test_a_token_is_had_by_hand(city: City) -> None:
    token = _demo(city, "token", "li_na").stdout.strip()
    assert city.edge.call("GET", "/v1/me/records", token).status == 200
    token = _demo(city, "token", "housing_bureau", "scope=agency", "purpose=qualification_review").stdout.strip()
    assert city.edge.call("GET", "/v1/me/records", token).status == 403
    refused = _demo(city, "token", "nobody")
    assert refused.returncode == 1
    assert "there are: li_na" in refused.stderr
