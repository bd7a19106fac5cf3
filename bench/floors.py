"""The floors: the least an application could do on the same store. `python -m bench.floors PORT NAME URI SUBJECT`.

`flask_find` answers one find of a subject's records as JSON; `naive_audited` also inserts an audit row for each
query; `indexed_find` answers one document. None verifies a token.
"""

import datetime
import json
import sys
from typing import Any

import pymongo
from flask import Flask, Response
from granian import Granian
from granian.constants import Interfaces

COLLECTION = "bench_floor"


def application(name: str, uri: str, subject: str) -> Flask:
    """The app of one floor."""
    db: Any = pymongo.MongoClient(uri, w="majority", journal=True).get_default_database()
    app = Flask(name)

    @app.get("/")
    def records() -> Response:
        if name == "indexed_find":
            return Response(
                json.dumps(db[COLLECTION].find_one({"subject_ref": subject}, {"_id": 0})),
                content_type="application/json",
            )
        found = list(db[COLLECTION].find({"subject_ref": subject}, {"_id": 0}))
        if name == "naive_audited":
            row = {
                "who": "somebody",
                "what": "record.queried.own",
                "subject_ref": subject,
                "at": datetime.datetime.now(),
            }
            db["bench_audit"].insert_one(row)
        return Response(json.dumps({"records": found}), content_type="application/json")

    return app


def main() -> None:
    """Serves one floor until it is stopped."""
    port, name, uri, subject = sys.argv[1:5]
    server = Granian(
        name,
        "127.0.0.1",
        int(port),
        interface=Interfaces.WSGI,
        blocking_threads=16,
        websockets=False,
        log_enabled=False,
    )
    server.serve(target_loader=lambda *_: application(name, uri, subject), wrap_loader=False)


if __name__ == "__main__":
    main()
