"""A provider's commands as they are documented: what they refuse, what they keep, and what they say."""

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chengxin.values.ids import new_id
from chengxin_api.ingest.v1 import ingest_pb2
from demo.records import deliveries
from tests.city import City
from tests.e2e.registrations import registrations, with_another_digit, write
from tests.ingest.files import as_sheet, workbook
from tests.support import free_port

# Each starts the command several times.
pytestmark = pytest.mark.long


def recorded(city: City) -> str:
    """A licence of the market regulator, on record."""
    [items, *_] = next(
        d.records for d in deliveries(date(2026, 10, 1)) if d.submission_id == "demo-XZXK-market_regulator"
    )
    request = ingest_pb2.SubmitBatchRequest(
        header=ingest_pb2.SubmissionHeader(submission_id=new_id("changes"), entry_code="XZXK", record_count=1),
        records=[ingest_pb2.Record(row=1, items=items | {"XK_WSH": f"演许字〔2026〕{new_id('c')[:12]}号"})],
    )
    return str(city.market_regulator.rpc("IngestService/SubmitBatch", request).outcomes[0].record_id)


def by_regulator(city: City) -> tuple[str, ...]:
    """The options that identify the market regulator's system."""
    client = city.people["clients"]["market_regulator"]
    return "--client-id", client["client_id"], "--key", str(city.home / "demo" / client["key_file"])


def names(directory: Path) -> set[str]:
    """The files in a directory."""
    return {file.name for file in directory.iterdir()}


def test_a_closed_submission_is_no_other_files(city: City, tmp_path: Path) -> None:
    first, other = (write(tmp_path / f"{n}.csv", registrations(2, n)) for n in (310_000, 310_100))
    submission = ("--catalog", "QYDJ", "--submission-id", new_id("monthly"))
    assert city.chengxin("submit", str(first), *submission).returncode == 0
    there = names(tmp_path)
    done = city.chengxin("submit", str(other), *submission)
    assert (done.returncode, "SUBMISSION_CONFLICT" in done.stderr) == (1, True), done.stdout + done.stderr
    assert "delivered before" not in done.stdout
    assert names(tmp_path) == there
    # The provider's own file gets a column with the result.
    again = city.chengxin("submit", str(first), *submission)
    assert (again.returncode, "delivered before" in again.stdout) == (0, True), again.stderr


def test_a_change_that_is_asked_for_again_is_the_same_change(city: City, tmp_path: Path) -> None:
    record_id, by = recorded(city), by_regulator(city)
    first, second, third = (new_id("request") for _ in range(3))

    def asks(act: str, name: str, *words: str) -> Any:
        return city.chengxin(
            "record", act, record_id, "--request-id", name, "--reason", "变更", *words, *by, cwd=tmp_path
        )

    amendment = ("amend", first, "--set", "XK_NR=餐饮服务")
    same = ("amend", second, "--set", "XK_NR=餐饮服务", "--receipt", "same.json")
    revocation = ("revoke", third)
    for acts in (amendment, same, revocation):
        done = asks(*acts)
        assert done.returncode == 0, done.stderr
    kept = {name: json.loads((tmp_path / name).read_text()) for name in names(tmp_path)}
    assert len(kept) == 3
    # Also after later changes.
    for acts in (amendment, same, revocation):
        done = asks(*acts)
        assert done.returncode == 0, done.stderr
    assert {name: json.loads((tmp_path / name).read_text()) for name in names(tmp_path)} == kept
    assert len(city.market_regulator.get(f"/v1/records/{record_id}")["versions"]) == 3
    # A name that was used names no second request.
    other = asks("amend", first, "--set", "XK_NR=别的")
    assert (other.returncode, "IDEMPOTENCY_CONFLICT" in other.stderr) == (1, True)


def test_an_item_is_only_cleared_by_who_says_so(city: City, tmp_path: Path) -> None:
    record_id, by = recorded(city), by_regulator(city)

    def amends(change: str) -> Any:
        return city.chengxin("record", "amend", record_id, "--set", change, "--reason", "变更", *by, cwd=tmp_path)

    for wrong in ("XK_FRDB", "=王强"):
        done = amends(wrong)
        assert (done.returncode, "ITEM=VALUE" in done.stderr) == (2, True), done.stderr
    done = amends("XK_FRDB=")
    assert done.returncode == 0, done.stderr
    first, second = city.market_regulator.get(f"/v1/records/{record_id}")["versions"]
    assert ("XK_FRDB" in first["items"], "XK_FRDB" in second["items"]) == (True, False)


def wrong(count: int, first: int) -> list[dict[str, str]]:
    """Registrations that are all rejected."""
    rows = registrations(count, first)
    return [row | {"统一社会信用代码": with_another_digit(row["统一社会信用代码"])} for row in rows]


def test_nothing_that_is_there_is_written_over(city: City, tmp_path: Path) -> None:
    file, receipt = tmp_path / "november.csv", tmp_path / "november.csv.receipt.json"
    rejects = tmp_path / "november.csv.rejects.csv"

    def delivers() -> str:
        done = city.chengxin("submit", str(file), "--catalog", "QYDJ")
        assert done.returncode == 3, done.stdout + done.stderr
        return done.stdout

    write(file, wrong(11, 320_000))
    said = delivers()
    assert said.count("  row ") == 10
    assert "1 more" in said
    first = receipt.read_bytes()
    # A second run adds nothing.
    there = names(tmp_path)
    delivers()
    assert names(tmp_path) == there == {file.name, receipt.name, rejects.name}
    rejects.write_bytes(b"mended by hand")
    said = delivers()
    assert rejects.read_bytes() == b"mended by hand"
    assert "november.csv.rejects.2.csv" in said
    # Another delivery under the same file name has its own receipt.
    write(file, wrong(1, 321_000))
    said = delivers()
    assert "more in that file" not in said
    assert "november.csv.receipt.2.json" in said
    assert "november.csv.rejects.3.csv" in said
    assert (receipt.read_bytes(), rejects.read_bytes()) == (first, b"mended by hand")
    write(file, registrations(1, 322_000))
    assert city.chengxin("submit", str(file), "--catalog", "QYDJ").returncode == 0
    assert rejects.read_bytes() == b"mended by hand"


def test_a_workbook_of_rejects_is_the_same_an_hour_later(city: City, tmp_path: Path) -> None:
    file = tmp_path / "november.xlsx"
    file.write_bytes(
        workbook(as_sheet(wrong(2, 323_000)), lambda sheet: sheet.parent.create_sheet("December").append(["x"]))
    )
    for _ in range(2):
        done = city.chengxin("submit", str(file), "--catalog", "QYDJ")
        assert done.returncode == 3, done.stderr
        assert len(names(tmp_path)) == 3
        # Sheets that are not read are reported, too.
        assert "only the first visible sheet is read, not December" in done.stderr


def pem(protection: serialization.KeySerializationEncryption) -> bytes:
    """A new private key."""
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


@pytest.mark.parametrize(
    "content",
    [b"no key", pem(serialization.NoEncryption())[:60], pem(serialization.BestAvailableEncryption(b"password"))],
    ids=["text", "cut", "password"],
)
def test_a_file_that_is_no_key_is_named(city: City, tmp_path: Path, content: bytes) -> None:
    file, key = write(tmp_path / "a.csv", registrations(1, 330_000)), tmp_path / "mine.pem"
    key.write_bytes(content)
    by = ("--client-id", "market_regulator", "--key", str(key))
    for command in (
        ("submit", str(file), "--catalog", "QYDJ"),
        ("record", "revoke", "r_1", "--reason", "x"),
        ("record", "amend", "r_1", "--reason", "x", "--set", "A=b"),
    ):
        done = city.chengxin(*command, *by)
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        for word in (str(key), "PRIVATE_KEY_UNREADABLE", "PEM", "chengxin keys new"):
            assert word in done.stderr


def test_an_address_that_leads_nowhere_is_told(city: City, tmp_path: Path) -> None:
    file, nowhere = write(tmp_path / "a.csv", registrations(1, 331_000)), f"127.0.0.1:{free_port()}"
    delivery = ("submit", str(file), "--catalog", "QYDJ")
    change = ("record", "revoke", "r_1", "--reason", "x", *by_regulator(city))
    for command in (delivery, change):
        for place in (("--grpc", nowhere), ("--http", f"http://{nowhere}")):
            done = city.chengxin(*command, *place, "--language", "en")
            assert done.returncode == 1
            for word in ("GATEWAY_UNREACHABLE", nowhere, "check the address"):
                assert word in done.stderr
        for place in (("--http", nowhere), ("--grpc", f"http://{nowhere}")):
            done = city.chengxin(*command, *place)
            assert (done.returncode, place[0] in done.stderr, "urllib3" in done.stderr) == (2, True, False)


def test_everything_is_told_in_the_language_asked_for(city: City, tmp_path: Path) -> None:
    columns = tmp_path / "columns.csv"
    columns.write_text("ZTMC,Remark\r\nx,y\r\n")
    missing = tmp_path / "missing.csv"
    missing.write_text("ZTMC\r\nx\r\n")
    record = (recorded(city), "--reason", "x", *by_regulator(city))
    for command, words in (
        (("submit", str(columns), "--catalog", "QYDX"), "The catalog has no published entry QYDX"),
        (("submit", str(columns), "--catalog", "QYDJ"), "no such columns: “Remark”"),
        (("submit", str(missing), "--catalog", "QYDJ"), "Required columns are missing in the header, "),
        (("record", "amend", *record, "--set", "XK_ZT=9"), "does not obey the catalog entry"),
    ):
        done = city.chengxin(*command, "--language", "en")
        assert (done.returncode, words in done.stderr) == (1, True), done.stderr
        # Values of a code list are Chinese.
        told = re.sub("有效|失效", "", done.stderr)
        assert not re.search(r"[\u3001-\u9fff]", told), told
