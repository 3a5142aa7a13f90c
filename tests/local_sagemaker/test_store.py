from __future__ import annotations

import json
import math
import sqlite3
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
    held = [document for _, document in again.walk("r", "job")]
    assert held == [{"text": "ü", "number": 1.5, "list": [True, None]}]
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


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("order", ["created", "name"])
def test_a_walk_is_in_order_and_goes_on_behind_any_position(store, order, descending):
    for number in range(450):
        document = {"CreationTime": 1e9 + number * 7 % 450 / 7, "number": number}
        store.put("r", "job", name=f"{number:03}", document=document)
        store.put("elsewhere", "job", name=f"{number:03}", document=document)
    walked = list(store.walk("r", "job", order=order, descending=descending))
    assert len({position for position, _ in walked}) == 450
    assert walked == sorted(walked, key=lambda found: found[0], reverse=descending)
    for at in (0, 199, 200, 449):
        position = tuple(json.loads(json.dumps(walked[at][0])))  # as a client gives it back
        rest = store.walk("r", "job", order=order, descending=descending, after=position)
        assert list(rest) == walked[at + 1 :]


def test_a_state_of_before_the_indexes_is_read(tmp_path):
    file = tmp_path / "state.sqlite"
    with sqlite3.connect(file) as old:
        old.execute(
            "CREATE TABLE documents (region TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,"
            " document TEXT NOT NULL, PRIMARY KEY (region, kind, name))"
        )
        # NaN is no JSON to anybody but Python: a metric may have it.
        document = {"TrainingJobStatus": "InProgress", "CreationTime": 5.0, "Metric": math.nan}
        old.execute("INSERT INTO documents VALUES ('r', 'job', 'a', ?)", (json.dumps(document),))
    old.close()
    for _ in range(2):
        store = Store(file)
        assert store.in_status("job", "InProgress", "Stopping") == [("r", "a")]
        assert [position for position, _ in store.walk("r", "job")] == [(5.0, "a")]
        store.close()


def test_a_page_and_a_description_look_at_no_more_rows_for_being_among_many(store):
    def steps(look):
        count = 0

        def step():
            nonlocal count
            count += 1

        store._connection.set_progress_handler(step, 1)
        look()
        store._connection.set_progress_handler(None, 1)
        return count

    looks = {
        "walk": lambda: next(store.walk("r", "job", descending=True)),
        "parent": lambda: next(store.walk("r", "job", descending=True, parent="g")),
        "status": lambda: list(store.walk("r", "job", status="InService")),
        "in_status": lambda: store.in_status("job", "InService"),
        "get": lambda: store.get("r", "job", name="5"),
    }
    counted = []
    for upto in (300, 1500):
        with store.transaction():
            for number in range(upto):
                document = {
                    "CreationTime": float(number),
                    "EndpointStatus": "InService" if number == 7 else "Failed",
                    "ModelPackageGroupName": "g",
                }
                store.put("r", "job", name=str(number), document=document)
        counted.append({name: steps(look) for name, look in looks.items()})
    few, many = counted
    assert {name: many[name] <= few[name] * 1.1 for name in looks} == dict.fromkeys(looks, True)
