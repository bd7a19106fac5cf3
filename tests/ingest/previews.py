"""A file is looked at before it is delivered; a provider's own column names are kept."""

import io

from werkzeug.test import TestResponse

from tests.ingest.running_ingest import IngestCaller


def looks(caller: IngestCaller, content: bytes, name: str = "records.csv", catalog: str = "QYDJ") -> TestResponse:
    data = {"catalog": catalog, "file": (io.BytesIO(content), name)}
    answer: TestResponse = caller.client.post("/v1/submissions/preview", data=data, headers=caller.headers)
    return answer


def remembers(caller: IngestCaller, columns: dict[str, str], entry: str = "QYDJ") -> TestResponse:
    answer: TestResponse = caller.client.put(
        f"/v1/submissions/mappings/{entry}", json={"columns": columns}, headers=caller.headers
    )
    return answer
