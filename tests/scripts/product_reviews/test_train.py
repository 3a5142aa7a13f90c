from __future__ import annotations

import json
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.scripts.jobs import shipped
from tests.scripts.product_reviews.conftest import HERE

if TYPE_CHECKING:
    from tests.scripts.product_reviews.conftest import Reviews

EPOCHS = ("--epochs", 3)
WEIGHTS = "network.safetensors"


def test_it_learns_and_says_so_after_each_epoch(split: Reviews) -> None:
    done = split.train("--epochs", 6, "--batch-size", 8)
    assert done.code == 0, done.stderr
    told = re.findall(r"^epoch=(\d); .*validation:accuracy=([0-9.]+);", done.stdout, re.MULTILINE)
    assert [epoch for epoch, _ in told] == [*"123456"]
    curves = json.loads((split.model / "learning_curves.json").read_text())["learning_curves"]
    assert [f"{epoch['validation_accuracy']:.6f}" for epoch in curves] == [
        value for _, value in told
    ]
    assert curves[-1]["train_loss"] < curves[0]["train_loss"] / 2
    assert max(epoch["validation_accuracy"] for epoch in curves) > 0.8
    assert {path.name for path in (split.model / "code").iterdir()} == {
        "entry_point.py", "kit", "network.py", "requirements.txt", "table.py", "tokens.py"
    }  # fmt: skip


def test_where_it_was_interrupted_it_goes_on_to_the_same_model(split: Reviews) -> None:
    assert split.train(*EPOCHS).code == 0
    whole = (split.model / WEIGHTS).read_bytes()
    shutil.rmtree(split.model)
    (split.folder / "checkpoints" / "epoch-0003.pt").unlink()
    resumed = split.train(*EPOCHS)
    assert "resumed after epoch 2 of 3" in resumed.stdout
    assert [*re.findall(r"^epoch=(\d)", resumed.stdout, re.MULTILINE)] == ["3"]
    assert (split.model / WEIGHTS).read_bytes() == whole


def test_a_checkpoint_that_was_cut_off_is_passed_over_for_the_one_before(split: Reviews) -> None:
    assert split.train(*EPOCHS).code == 0
    kept = sorted(path.name for path in (split.folder / "checkpoints").iterdir())
    assert kept == ["epoch-0002.pt", "epoch-0003.pt"]
    newest = split.folder / "checkpoints" / "epoch-0003.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    shutil.rmtree(split.model)
    done = split.train(*EPOCHS)
    assert done.code == 0, done.stderr
    assert "epoch-0003.pt cannot be read and is passed over" in done.stdout
    assert "resumed after epoch 2 of 3" in done.stdout


def test_a_checkpoint_of_other_settings_is_refused(split: Reviews) -> None:
    assert split.train("--epochs", 1).code == 0
    assert split.train("--epochs", 1, "--seed", 8).code == 1
    assert "is a checkpoint of a job with {'seed': 42}; this one has {'seed': 8}" in split.failure()


def test_a_checkpoint_that_cannot_be_written_does_not_cost_the_model(split: Reviews) -> None:
    (split.folder / "checkpoints").write_text("no folder")
    done = split.train("--epochs", 1)
    assert done.code == 0, done.stderr
    assert "could not be written, training goes on" in done.stdout
    assert (split.model / WEIGHTS).is_file()


def test_a_frozen_encoder_stays_as_it_was(split: Reviews) -> None:
    found = []
    for rate in (0.001, 0.01):
        frozen = ("--epochs", 1, "--freeze-encoder", "true", "--learning-rate", rate)
        assert split.train(*frozen).code == 0
        found.append(_weights((split.model / WEIGHTS).read_bytes()))
        shutil.rmtree(split.model)
        shutil.rmtree(split.folder / "checkpoints")
    one, other = found
    different = {name for name in one if one[name] != other[name]}
    assert different == {"scores.weight", "scores.bias"}


def _weights(content: bytes) -> dict[str, bytes]:
    # Of safetensors: the names with their places, then the numbers.
    length = int.from_bytes(content[:8], "little")
    header, numbers = json.loads(content[8 : 8 + length]), content[8 + length :]
    places = {name: told["data_offsets"] for name, told in header.items() if name != "__metadata__"}
    return {name: numbers[start:end] for name, (start, end) in places.items()}


def test_two_instances_share_the_batches_and_one_of_them_writes(split: Reviews) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    own = replace(split, folder=Path("HERE"))
    options = [
        str(option).replace("HERE/splits", str(split.splits))
        for option in own.training("--epochs", 1, "--batch-size", 16)
    ]
    done = split.run(
        HERE / "two_instances.py", split.folder, port,
        shipped("product_reviews") / "train.py", *options,
    )  # fmt: skip
    assert done.code == 0, done.stderr
    assert done.stdout.count("train:rows_per_second") == 2
    assert (split.folder / "algo-1" / "model" / WEIGHTS).is_file()
    assert not (split.folder / "algo-2" / "model").exists()
    assert not (split.folder / "algo-2" / "checkpoints").exists()


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda place: (place.splits / "train/train.parquet").write_bytes(b"x"), "no split of"),
        (lambda place: (place.splits / "validation/validation.parquet").unlink(), "no such file"),
    ],
)
def test_a_split_that_cannot_be_read_is_told(split: Reviews, spoil: object, told: str) -> None:
    spoil(split)  # type: ignore[operator]
    assert split.train().code == 1
    assert told in split.failure()


def test_weights_that_are_damaged_or_lack_are_told(split: Reviews, tmp_path: Path) -> None:
    folder = shutil.copytree(split.pretrained, tmp_path / "spoilt")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert replace(split, pretrained=folder).train().code == 1
    assert "model.safetensors: its weights cannot be read" in split.failure()


def test_a_configuration_of_which_no_network_can_be_made_is_told(
    split: Reviews, tmp_path: Path
) -> None:
    folder = shutil.copytree(split.pretrained, tmp_path / "spoilt")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"num_attention_heads": 3}))
    assert replace(split, pretrained=folder).train().code == 1
    assert "config.json: no BERT can be made of it: ValueError The hidden size" in split.failure()


def test_a_loss_that_is_no_number_any_more_is_told(split: Reviews) -> None:
    assert split.train("--epochs", 3, "--learning-rate", 1e9).code == 1
    assert "try a lower one" in split.failure()
    assert "Traceback" not in split.failure()
    assert not split.model.exists()
