"""A registrar delivers its file of companies, mends what is wrong, and everybody finds the companies."""

import csv
from pathlib import Path

from tests.city import City
from tests.e2e.registrations import registrations, with_another_digit, write
from tests.support import until


def test_a_gb18030_file_is_accepted_whole_and_again_adds_nothing(city: City, tmp_path: Path) -> None:
    rows = registrations(200, 100_000)
    file = write(tmp_path / "registrations.csv", rows)
    first = city.chengxin("submit", str(file), "--catalog", "QYDJ")
    assert first.returncode == 0, first.stdout + first.stderr
    collection = city.store("ingest")["records"]
    codes = {row["统一社会信用代码"] for row in rows}
    kept = {r["items"]["TYSHXYDM"]: r for r in collection.find({"subject.uscc": {"$in": list(codes)}})}
    assert set(kept) == codes
    # No column is dropped: every cell that is not empty is an item.
    for row in rows:
        assert len(kept[row["统一社会信用代码"]]["items"]) == sum(1 for value in row.values() if value)
    receipt = tmp_path / "registrations.csv.receipt.json"
    proved = city.chengxin("receipt", "verify", str(receipt), "--delivered", str(file))
    assert proved.returncode == 0, proved.stdout + proved.stderr
    # Both signatures are on it: the system's and the provider's.
    assert "provider: market_regulator signed by key" in proved.stdout
    before = collection.count_documents({})
    again = city.chengxin("submit", str(file), "--catalog", "QYDJ")
    assert again.returncode == 0, again.stdout + again.stderr
    # A second delivery of the same rows, whatever its file is called and however it is numbered.
    renamed = write(tmp_path / "once-more.csv", rows[::-1])
    third = city.chengxin("submit", str(renamed), "--catalog", "QYDJ")
    assert third.returncode == 0, third.stdout + third.stderr
    assert collection.count_documents({}) == before
    found = city.anybody.call("GET", "/v1/public/subjects", fields={"q": rows[7]["主体名称"]})
    until(
        lambda: (
            [
                s["uscc"]
                for s in city.anybody.call("GET", "/v1/public/subjects", fields={"q": rows[7]["主体名称"]}).body[
                    "subjects"
                ]
            ]
            == [rows[7]["统一社会信用代码"]]
        ),
        f"found by name: {found.body}",
    )
    by_code = city.anybody.get(f"/v1/public/subjects?q={rows[8]['统一社会信用代码']}")["subjects"]
    assert [s["name"] for s in by_code] == [rows[8]["主体名称"]]
    [record] = city.anybody.get(f"/v1/public/subjects/{by_code[0]['subject_ref']}")["records"]
    assert record["items"]["ZTMC"] == rows[8]["主体名称"]


def test_one_changed_digit_rejects_exactly_that_row_and_says_why(city: City, tmp_path: Path) -> None:
    rows = registrations(50, 200_000)
    wrong = rows[30] | {"统一社会信用代码": with_another_digit(rows[30]["统一社会信用代码"])}
    file = write(tmp_path / "registrations.csv", [*rows[:30], wrong, *rows[31:]])
    done = city.chengxin("submit", str(file), "--catalog", "QYDJ")
    assert done.returncode == 3, done.stdout + done.stderr
    said = done.stdout + done.stderr
    # The header is row 1, and cells with line breaks do not count as rows.
    assert "32" in said
    assert "TYSHXYDM" in said
    assert "校验码" in said
    rejects = tmp_path / "registrations.csv.rejects.csv"
    [reject] = list(csv.DictReader(rejects.read_text("gb18030").splitlines(keepends=True)))
    assert reject["统一社会信用代码"] == wrong["统一社会信用代码"]
    # The corrected file is sent again by itself.
    mended = write(
        tmp_path / "mended.csv",
        [{name: reject[name] for name in rows[0]} | {"统一社会信用代码": rows[30]["统一社会信用代码"]}],
    )
    assert city.chengxin("submit", str(mended), "--catalog", "QYDJ").returncode == 0
    codes = [row["统一社会信用代码"] for row in rows]
    assert city.store("ingest")["records"].count_documents({"subject.uscc": {"$in": codes}}) == 50
