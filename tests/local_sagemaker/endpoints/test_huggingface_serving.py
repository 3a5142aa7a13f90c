"""An endpoint of Hugging Face's image answers as the toolkit and the server in the image do."""

from __future__ import annotations

import json
import subprocess
import tarfile
import textwrap
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

ENVIRONMENT = Path(__file__).resolve().parents[3] / ".local/images/huggingface-pytorch-2.6.0"
IMAGE = (
    "763104351884.dkr.ecr.us-east-1.amazonaws.com/huggingface-pytorch-inference"
    ":2.6.0-transformers4.49.0-cpu-py312-ubuntu22.04"
)
JSON = "application/json"
TEXTS = ["good dress", "bad dress"]
# A classifier of random weights, and what the library's own pipeline makes of the texts.
MODEL = """
import json, sys
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast, pipeline
folder, *texts = sys.argv[1:]
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "dress"]
with open(f"{folder}/vocab.txt", "w") as file:
    file.write("\\n".join(words))
torch.manual_seed(1)
sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
config = BertConfig(vocab_size=len(words), intermediate_size=16, **sizes)
BertForSequenceClassification(config).save_pretrained(folder)
BertTokenizerFast(f"{folder}/vocab.txt").save_pretrained(folder)
print(json.dumps(pipeline("text-classification", model=folder)(texts)))
"""
pytestmark = pytest.mark.skipif(
    not ENVIRONMENT.exists(),
    reason=f"there is no such image here: make .local/images/{ENVIRONMENT.name}/.installed",
)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Any]:
    """An archive of a model, and its answer to the texts."""
    folder = tmp_path_factory.mktemp("model")
    command = [ENVIRONMENT / "bin" / "python3", "-c", MODEL, folder, *TEXTS]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    packed = folder.with_suffix(".tar.gz")
    with tarfile.open(packed, "w:gz") as archive:
        for file in folder.iterdir():
            archive.add(file, file.name)
    return packed.read_bytes(), json.loads(done.stdout.splitlines()[-1])


class Served:
    """Endpoints of the image."""

    def __init__(self, endpoints: Any) -> None:
        self.endpoints = endpoints

    def settled(self, archive: bytes, **environment: str) -> tuple[str, str]:
        name, data = self.endpoints.name("hf"), self.endpoints.put(archive)
        container = {"Image": IMAGE, "ModelDataUrl": data, "Environment": environment}
        self.endpoints.sagemaker.create_model(ModelName=name, PrimaryContainer=container)
        endpoint = self.endpoints.create(self.endpoints.config(name))
        return endpoint, self.endpoints.settle(endpoint)["EndpointStatus"]

    def up(self, archive: bytes, **environment: str) -> str:
        name, status = self.settled(archive, **environment)
        assert status == "InService", self.endpoints.lines(name)
        return name

    def refused(self, name: str, body: bytes, **more: Any) -> tuple[int, dict[str, Any]]:
        with pytest.raises(ClientError) as caught:
            self.endpoints.call(name, body, **{"ContentType": JSON, **more})
        response = caught.value.response
        return response["OriginalStatusCode"], json.loads(response["OriginalMessage"])


@pytest.fixture(scope="module")
def served(endpoints: Any) -> Served:
    return Served(endpoints)


@pytest.fixture(scope="module")
def endpoint(served: Served, classifier: tuple[bytes, Any]) -> str:
    return served.up(classifier[0], HF_TASK="text-classification")


def scores(answer: bytes) -> list[tuple[str, float]]:
    return [(item["label"], pytest.approx(item["score"])) for item in json.loads(answer)]


def test_a_pipeline_of_the_models_task_answers(
    endpoints: Any, endpoint: str, classifier: tuple[bytes, Any]
) -> None:
    expected = [(item["label"], item["score"]) for item in classifier[1]]
    assert len({score for _, score in expected}) == 2
    asked = json.dumps({"inputs": TEXTS}).encode()
    told = endpoints.invoke(endpoint, asked, ContentType=JSON)
    assert told["ContentType"] == JSON
    assert scores(told["Body"].read()) == expected
    rows = "inputs\n" + "\n".join(TEXTS)
    assert scores(endpoints.call(endpoint, rows.encode())) == expected
    as_csv = endpoints.call(endpoint, asked, ContentType=JSON, Accept="text/csv").decode()
    assert as_csv.splitlines()[0] == "label,score"
    asked = json.dumps({"inputs": TEXTS, "parameters": {"top_k": 2}}).encode()
    both = json.loads(endpoints.call(endpoint, asked, ContentType=JSON))
    assert [len(labels) for labels in both] == [2, 2]


def test_the_task_is_read_from_the_models_config(
    served: Served, endpoints: Any, classifier: tuple[bytes, Any]
) -> None:
    name = served.up(classifier[0])
    answer = endpoints.call(name, b'{"inputs": "good dress"}', ContentType=JSON)
    assert json.loads(answer)[0]["label"] in {"LABEL_0", "LABEL_1"}


@pytest.mark.parametrize(
    ("body", "more", "words"),
    [
        (b"{", {}, "Expecting property name"),
        (b"[1]", {}, "pop expected at most 1 argument"),
        (b"a,b\n1,2", {"ContentType": "text/csv"}, "provide the correct CSV with Header columns"),
        (b"1", {"ContentType": "application/x-weird"}, "application/x-weird"),
        (b'{"inputs": "good"}', {"Accept": "application/x-weird"}, "application/x-weird"),
    ],
)
def test_what_cannot_be_answered_is_told_as_the_model_server_does(
    body: bytes, more: dict[str, str], words: str, served: Served, endpoint: str
) -> None:
    status, told = served.refused(endpoint, body, **more)
    assert status == told["code"] == 400
    assert told["type"] == "InternalServerException"
    assert words in told["message"]


def test_a_users_module_takes_the_pipelines_place(
    served: Served, endpoints: Any, packed: Any
) -> None:
    script = """
    def model_fn(model_dir, context):
        return "loaded"

    def predict_fn(data, model):
        if data.get("fail"):
            raise KeyError("fail")
        return {"model": model, "asked": data}
    """
    name = served.up(packed({"code/inference.py": textwrap.dedent(script)}))
    answer = json.loads(endpoints.call(name, b'{"inputs": [1]}', ContentType=JSON))
    assert answer == {"model": "loaded", "asked": {"inputs": [1]}}
    assert served.refused(name, b'{"fail": 1}')[1]["message"] == "'fail'"
    named = {"SAGEMAKER_PROGRAM": "mine.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    name = served.up(packed({"code/mine.py": textwrap.dedent(script)}), **named)
    assert json.loads(endpoints.call(name, b"{}", ContentType=JSON))["model"] == "loaded"


@pytest.mark.parametrize(
    ("files", "environment", "words"),
    [
        ({"readme.txt": "nothing"}, {}, "as env 'HF_TASK'"),
        ({"config.json": "{}"}, {"HF_TASK": "text-classification"}, "Unrecognized model"),
        ({"a": "b"}, {"HF_MODEL_ID": "bert-base-uncased"}, "HF_MODEL_ID is not emulated"),
        ({"code/inference.py": "1/0"}, {}, "ZeroDivisionError"),
    ],
)
def test_a_model_that_cannot_be_loaded_does_not_serve(
    files: dict[str, str], environment: dict[str, str], words: str,
    served: Served, endpoints: Any, packed: Any,
) -> None:  # fmt: skip
    name, status = served.settled(packed(files), **environment)
    assert status == "Failed"
    assert any(words in line for line in endpoints.lines(name))
