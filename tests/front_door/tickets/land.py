"""Make up a day's tickets, and land them where the runs of that day look."""

from __future__ import annotations

import os
import random

import boto3

WORDS = {
    "Billing": "invoice charged twice refund card payment",
    "Delivery": "parcel late courier address lost tracking",
    "Rückgabe, Umtausch": "passt nicht größer zurück tauschen Etikett",
}


def tickets(rows: int = 1_500) -> str:
    """Return a table; every tenth ticket or so is about something else than its desk says."""
    chance = random.Random(7)
    desks = list(WORDS)
    lines = ["wording,desk"]
    for number in range(rows):
        desk = desks[number % len(desks)]
        about = chance.choice(desks) if chance.random() < 0.1 else desk
        words = " ".join(chance.choices(WORDS[about].split(), k=5))
        lines.append(f'"{words}, no. {number}","{desk}"')
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    s3, bucket = boto3.client("s3"), os.environ["RETRAINING_BUCKET"]
    folder = "tickets/snapshots/2026-11-20/"
    s3.put_object(Bucket=bucket, Key=f"{folder}tickets.csv", Body=tickets().encode())
    # Last: a run begins when it is there.
    s3.put_object(Bucket=bucket, Key=f"{folder}_SUCCESS", Body=b"")
