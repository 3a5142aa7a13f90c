from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from airflow.providers.amazon.aws.links.base_aws import BaseAwsLink
from retraining.aws import console
from retraining.web import addresses

JOB = "arn:aws:sagemaker:eu-west-1:123456789012:processing-job/houses-evaluate-1"
TRAINING = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/houses-train-1"
PACKAGE = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/houses/7"
CONSOLE = "https://eu-west-1.console.aws.amazon.com"


def test_a_job_is_in_the_console_of_its_region() -> None:
    home = f"{CONSOLE}/sagemaker/home?region=eu-west-1"
    assert console.job_url(JOB) == f"{home}#/processing-jobs/houses-evaluate-1"
    assert console.job_url(TRAINING) == f"{home}#/jobs/houses-train-1"


def test_a_log_is_found_by_its_group_and_the_jobs_name() -> None:
    assert console.log_url(TRAINING) == (
        f"{CONSOLE}/cloudwatch/home?region=eu-west-1#logsV2:log-groups/log-group/"
        "$252Faws$252Fsagemaker$252FTrainingJobs$3FlogStreamNameFilter$3Dhouses-train-1"
    )


@pytest.mark.parametrize("arn", ["", PACKAGE, "javascript:alert(1)", f"{JOB} x"])
def test_what_is_no_jobs_arn_leads_nowhere(arn: str) -> None:
    assert console.job_url(arn) is None
    assert console.log_url(arn) is None


def test_an_object_is_in_the_console() -> None:
    assert console.object_url("eu-west-1", "s3://bucket/a/b c.json") == (
        f"{CONSOLE}/s3/object/bucket?region=eu-west-1&prefix=a%2Fb+c.json"
    )


def test_on_aws_a_run_has_links_into_the_console(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER"):
        monkeypatch.delenv(name, raising=False)
    found = console.console_links({"train": TRAINING, "other": "x"}, arn=PACKAGE, endpoint="houses")
    assert found["jobs"] == {"train": console.job_url(TRAINING)}
    assert found["logs"] == {"train": console.log_url(TRAINING)}
    assert found["endpoint"].endswith("#/endpoints/houses")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SAGEMAKER"])
def test_the_embedded_sagemaker_has_no_console(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:1")
    found = console.console_links({"train": TRAINING}, arn=PACKAGE, endpoint="houses")
    assert found == {"jobs": {}, "logs": {}, "endpoint": None}


def test_the_page_is_below_the_root_of_airflows_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example/team/")
    assert addresses.page_url("houses", "manual__1+2", section="decision") == (
        "/team/plugin/model-quality/team/model-quality/?dag_id=houses&run_id=manual__1%2B2#decision"
    )


@pytest.mark.parametrize(
    ("partition", "region"),
    [
        ("aws", "eu-west-1"),
        ("aws", "us-gone-1"),
        ("aws-cn", "cn-north-1"),
        ("aws-us-gov", "us-gov-west-1"),
        ("aws-iso", "us-iso-east-1"),
        ("aws-iso-e", "eu-isoe-west-1"),
        ("aws-eusc", "eusc-de-east-1"),
    ],
)
def test_each_partition_has_the_domain_that_the_provider_knows(partition: str, region: str) -> None:
    arn = f"arn:{partition}:sagemaker:{region}:123456789012:training-job/a"
    urls = (
        console.job_url(arn),
        console.log_url(arn),
        console.object_url(region, "s3://bucket/key"),
        console.endpoint_url(region, "houses"),
    )
    domain = BaseAwsLink.get_aws_domain(partition)
    hosts = {urlsplit(url).netloc if url else None for url in urls}
    assert hosts == {f"{region}.console.{domain}" if domain else None}
