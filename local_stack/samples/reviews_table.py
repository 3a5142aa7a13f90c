"""Put real reviews in place, or say why they cannot be had.

They are sentences of customers' reviews of five products (Hu and Liu, 2004), each with the mean
sentiment that twenty people heard in it, from -4 to 4 (Hutto and Gilbert, 2014). The source of the
registry package ``vadersentiment`` carries them. Here a sentence becomes a review: its sentiment is
put on the scale of one to five stars, 0 being three of them.
"""

from __future__ import annotations

import csv
import io
import tarfile
import zipfile
from typing import TYPE_CHECKING

from local_stack.samples.packaged_table import SampleDataError, packaged_file, put_in_place

if TYPE_CHECKING:
    from pathlib import Path

SHA256 = "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a"
ROWS = 3_708
COLUMNS = ("review_text", "rating")
_FILE = "vaderSentiment-0.5.zip"
_INNER = "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
_TABLE = "hutto_ICWSM_2014/amazonReviewSnippets_GroundTruth.txt"


def packaged_csv(package_folder: Path) -> bytes:
    """Read the reviews from the source of the package, which is checked to the byte.

    Raises:
        SampleDataError: The source is not there, or is another one.
    """
    source = packaged_file(package_folder / _FILE, SHA256)
    with (
        zipfile.ZipFile(io.BytesIO(source)) as package,
        tarfile.open(fileobj=io.BytesIO(package.read(_INNER))) as resources,
    ):
        member = resources.extractfile(_TABLE)
        if member is None:
            raise SampleDataError(f"{_FILE}: {_TABLE} is no file")
        return table(member.read().decode("latin-1"))


def table(text: str) -> bytes:
    """Make a CSV of lines of id, mean sentiment and sentence, delimited by tabs.

    Raises:
        SampleDataError: A line is another one, or they are more or fewer.
    """
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(COLUMNS)
    lines = text.splitlines()
    if len(lines) != ROWS:
        raise SampleDataError(f"it has {len(lines)} lines, not {ROWS}")
    for number, line in enumerate(lines, 1):
        try:
            _, mean, sentence = line.split("\t")
            rows.writerow([sentence.strip(), stars(float(mean))])
        except ValueError as error:
            raise SampleDataError(f"line {number}: {error}") from error
    return written.getvalue().encode()


def stars(sentiment: float) -> int:
    """Return 1 to 5 stars for a sentiment of -4 to 4; what is less than 1 from 0 is neither.

    Raises:
        ValueError: It is no such number.
    """
    if not -4 <= sentiment <= 4:
        raise ValueError(f"{sentiment} is not from -4 to 4")
    size = int(abs(sentiment) / 2 + 0.5)
    return 3 + (size if sentiment > 0 else -size)


if __name__ == "__main__":
    put_in_place("reviews", [packaged_csv])
