"""A long soak: random deliveries, readers, kill -9 and SIGSTOP, all at once. Afterwards a rebuild finds no difference."""

import contextlib
import json
import os
import secrets
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from chengxin.store.database import find_among
from chengxin.values.clock import SystemClock
from services.disclosure.domain.subject_state import state_unpacked
from tests.city import City, running_city
from tests.e2e.soaking.delivering import Provider, SubmittedRecord, providers
from tests.e2e.soaking.reading import CityReader, RequestOutcome, readers
from tests.e2e.soaking.tormenting import Tormentor
from tests.e2e.soaking.worker import Worker
from tests.support import figure, until

# The seed of everything random; printed, and given again to repeat a run.
SEED: Final = os.environ.get("CHENGXIN_SOAK_SEED") or secrets.token_hex(4)
MINUTES: Final = float(os.environ.get("CHENGXIN_SOAK_MINUTES", "30"))
# References of one company that have records of their own.
REFERENCES: Final = 400
# No read takes longer (decision 23): 5 s, and a second for the network on a busy machine.
DEADLINE: Final = 6.0
ANSWERS: Final = {200, 404, 429, 503}
# Represents the company that gets very many references.
OWNER: Final = "zhang_wei"


@pytest.fixture
def soaked(tmp_path: Path) -> Iterator[City]:
    """A suite of its own, whose logs stay."""
    with running_city(tmp_path / "home") as found:
        yield found


# With CHENGXIN_SOAK_MINUTES=2 it takes five; CI has no such five minutes left.
@pytest.mark.rounds
@pytest.mark.timeout(3600 + MINUTES * 60)
def test_half_an_hour_of_everything_at_once_leaves_the_city_as_if_made_anew(soaked: City) -> None:
    city = soaked
    print(f"CHENGXIN_SOAK_SEED={SEED}")
    stop = threading.Event()
    code = city.people["citizens"][OWNER]["represents"][0]
    [subject] = city.anybody.get(f"/v1/public/subjects?q={code}")["subjects"]
    delivering = providers(city, SEED, stop, REFERENCES, code, subject["name"])
    reading = readers(city, SEED, stop, OWNER, code, subject["name"])
    tormentor = Tormentor(SEED, stop, city)
    everybody: list[Worker] = [*delivering, *reading, tormentor]
    for worker in everybody:
        worker.start()
    over = threading.Event()
    threading.Timer(MINUTES * 60, over.set).start()
    # A worker that cannot go on ends the soak.
    while not over.wait(1) and all(worker.is_alive() for worker in everybody):
        pass
    stop.set()
    for worker in everybody:
        worker.join(300)
    tell(MINUTES, delivering, reading, tormentor)
    assert not [(w.name, w.failure) for w in everybody if w.failure or w.is_alive()]

    nobody_waited(reading, tormentor)
    until(lambda: city.edge.call("GET", "/readyz").status == 200, "the suite is ready again", 120)
    city.await_disclosure(city.last_change("ingest"), 900)
    nothing_is_set_aside(city)
    all_is_there(city, [r for p in delivering for r in p.records])
    all_is_archived(city)
    as_if_made_anew(city)
    done = city.verify_log()
    assert done.returncode == 0, done.stdout + done.stderr
    assert not unforeseen(city)


def tell(minutes: float, delivering: list[Provider], reading: list[CityReader], tormentor: Tormentor) -> None:
    """Prints what was done, and puts it into the figures."""
    for provider in delivering:
        print(f"{provider.name}: {dict(provider.did)}, slowest {provider.slowest:.1f} s")
    for reader in reading:
        seconds = sorted(asked.seconds for asked in reader.asked)
        statuses = Counter(asked.status for asked in reader.asked)
        at = {f"p{n}": round(seconds[min(len(seconds) - 1, len(seconds) * n // 100)], 3) for n in (50, 99, 100)}
        print(f"{reader.name}: {dict(statuses)}, {at}")
    print(f"tormented: {dict(tormentor.did)}")
    asked = [asked for reader in reading for asked in reader.asked]
    figure("soak.minutes", minutes)
    figure("soak.records", sum(len(provider.records) for provider in delivering))
    figure("soak.requests", len(asked))
    figure("soak.torments", sum(tormentor.did.values()))
    figure("soak.slowest_seconds", round(max(one.seconds for one in asked), 2))


def nobody_waited(reading: list[CityReader], tormentor: Tormentor) -> None:
    """Each request got a permitted answer in time, and each kind of request succeeded at times."""
    for reader in reading:
        assert any(asked.status == 200 for asked in reader.asked), reader.name
    asked = [one for reader in reading for one in reader.asked]
    wrong = [one for one in asked if one.status not in ANSWERS or "without" in one.code]
    late = [one for one in asked if one.seconds > DEADLINE]
    for one in sorted([*wrong, *late], key=lambda one: one.at):
        print(f"{one}; before: {before(one, tormentor)}")
    assert not wrong
    assert not late


def before(asked: RequestOutcome, tormentor: Tormentor) -> list[str]:
    """What the tormentor did shortly before a request ended."""
    end = asked.at + asked.seconds
    return [f"{at - asked.at:+.1f} s {what}" for at, what in tormentor.log if asked.at - 20 < at < end]


def all_is_there(city: City, records: list[SubmittedRecord]) -> None:
    """Records with receipts are recorded and applied once, as their providers know them."""
    known = {record.record_id: (record.version, record.revoked) for record in records}
    assert len(known) == len(records)
    disclosure = city.store("disclosure")
    for rows in (city.store("ingest")["records"], disclosure[f"records.{generation(disclosure)}"]):
        found = find_among(rows, "_id", sorted(known), {"version": 1, "revoked": 1})
        assert {row["_id"]: (row["version"], bool(row.get("revoked"))) for row in found} == known


def generation(disclosure: Any) -> int:
    """Which generation is in use."""
    return int(disclosure["generations"].find_one({"_id": "current"})["number"])


def nothing_is_set_aside(city: City) -> None:
    """Every accepted record is applied: each of these can be. Waiting alone is not logged."""
    services = ("gateway", "catalog", "ingest", "disclosure", "objection")

    def left() -> list[Any]:
        rows = [city.centre.get(f"/v1/operations/{name}/quarantine?page_size=200")["items"] for name in services]
        return [row for some in rows for row in some]

    until(lambda: not left(), "nothing is set aside", 60)


def all_is_archived(city: City) -> None:
    """The archiver runs every minute. Its work during a rebuild's comparison would be a difference."""
    store, today = city.store("disclosure"), SystemClock().today().isoformat()
    due = store[f"due.{generation(store)}"]
    until(lambda: due.find_one({"day": {"$lt": today}}) is None, "what is over is archived", 300)


def as_if_made_anew(city: City) -> None:
    """The views are the same as after following all feeds again from their beginning."""
    begun = city.centre.post("/v1/operations/disclosure/rebuild", {})

    def done() -> Any:
        told = city.edge.call("GET", "/v1/operations/disclosure/rebuild", city.centre.token())
        same = told.status == 200 and told.body["generation"] == begun["generation"]
        return told.body if same and told.body["state"] not in ("asked", "filling") else None

    told = until(done, "it is rebuilt", 1800)
    if told["differences"]:
        print(told["listed"], *what_differs(city, told), sep="\n")
    assert (told["state"], told["differences"], told["listed"]) == ("done", 0, [])


def what_differs(city: City, told: dict[str, Any]) -> Iterator[str]:
    """The states of subjects in both generations, while there are both."""
    store = city.store("disclosure")
    for ref in list(dict.fromkeys(one["subject_ref"] for one in told["listed"]))[:5]:
        for number in (told["generation"] - 1, told["generation"]):
            row = store[f"subjects.{number}"].find_one({"_id": ref})
            yield f"{ref} {number}: {row and state_unpacked(row['state'])!r}"


def unforeseen(city: City) -> dict[str, list[str]]:
    """Log lines that must not occur: errors that are not refusals, and changes that could not be applied."""
    found: dict[str, list[str]] = defaultdict(list)
    for file in (city.home / "logs").glob("*.log"):
        for line in file.read_text(errors="replace").splitlines():
            # The last line of a process that was killed may be half a line.
            with contextlib.suppress(ValueError, KeyError, TypeError):
                message = json.loads(line)["message"]
                if message.startswith("unexpected error") or message == "set aside":
                    found[file.stem].append(line[:1500])
    return dict(found)
