from __future__ import annotations

import threading

import pytest

from local_sagemaker.store import Store


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "state.sqlite")
    yield opened
    opened.close()


def test_documents_and_the_identity_outlive_the_process(store, tmp_path):
    store.put("r", "job", name="a", document={"text": "ü", "number": 1.5, "list": [True, None]})
    store.put("r", "job", name="b", document={})
    store.delete("r", "job", name="b")
    again = Store(tmp_path / "state.sqlite")
    assert again.identity == store.identity
    assert again.every("r", "job") == [{"text": "ü", "number": 1.5, "list": [True, None]}]
    assert again.regions() == ["r"]
    again.close()


def test_a_transaction_that_fails_changes_nothing_on_disk(store):
    def fail():
        with store.transaction():
            store.execute("INSERT INTO tags VALUES ('arn', 'k', 'v')")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert store.execute("SELECT * FROM tags") == []


def test_concurrent_updates_are_not_lost(store):
    store.put("r", "counter", name="n", document={"value": 0})

    def count():
        for _ in range(50):
            store.update("r", "counter", name="n", change=lambda held: {"value": held["value"] + 1})

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("r", "counter", name="n") == {"value": 200}
