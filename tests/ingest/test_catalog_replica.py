"""The catalog as ingest keeps it: parsed once, and never as it was before."""

import msgspec

from chengxin.values.catalog_contract import TranslatedText
from services.ingest.domain.catalog_entry import entry_to_dict
from tests.ingest.running_ingest import RunningIngest


def test_an_entry_version_is_parsed_and_compiled_once(ingest: RunningIngest) -> None:
    replica = ingest.ctx.directory
    entry = replica.version("XZXK", 1)
    assert replica.version("XZXK", 1) is entry
    assert replica.validator(entry) is replica.validator(entry)


def test_what_changes_of_it_is_seen(ingest: RunningIngest) -> None:
    replica, store = ingest.ctx.directory, ingest.ctx.store
    entry = replica.version("XZXK", 1)
    # It gets a last day; then the same version comes from a catalog that was restored and published another one.
    ended = msgspec.structs.replace(entry, effective_to="2027-01-31")
    restored = msgspec.structs.replace(
        entry, name=TranslatedText("另一条目", "Another"), published_at="2026-12-01T00:00:00Z"
    )
    for changed in (ended, restored):
        store.store.transact(lambda unit, changed=changed: store.put_entry(entry_to_dict(changed), unit.session))
        assert entry_to_dict(replica.version("XZXK", 1)) == entry_to_dict(changed)
    assert replica.validator(replica.version("XZXK", 1)).entry.name.zh == "另一条目"
