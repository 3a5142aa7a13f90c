"""``python -m local_sagemaker.coverage [FILE]``: what is emulated, from the code itself.

With a file the table between its two marks is replaced.
"""

from __future__ import annotations

import sys
from pathlib import Path

from local_sagemaker.images import image_table
from local_sagemaker.operations import OPERATIONS
from local_sagemaker.refusals import REFUSALS
from local_sagemaker.validation import service_model

BEGIN, END = "<!-- coverage: begin -->\n", "<!-- coverage: end -->"


def main(arguments: list[str]) -> int:
    """Print the coverage, or write it into a file; return the exit code."""
    if not arguments:
        print(coverage(), end="")
        return 0
    file = Path(arguments[0])
    before, begin, rest = file.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        print(f"{file} has no line {BEGIN.strip()} before a line {END}", file=sys.stderr)
        return 1
    file.write_text(f"{before}{begin}{coverage()}{end}{after}", encoding="utf-8")
    return 0


def coverage() -> str:
    """Return the tables of operations and images, in Markdown."""
    model = service_model()
    counted = f"{len(OPERATIONS)} of SageMaker's {len(model.operation_names)} operations"
    lines = [
        f"{counted} are emulated, and `InvokeEndpoint`. Whatever is not is refused by name.",
        "README.md tells what each other member does, and which of its values are refused.",
        "",
        "| Operation | Members that are refused |",
        "| --- | --- |",
        *(f"| `{operation}` | {_refused(operation)} |" for operation in OPERATIONS),
        "",
        "| Image | Environment |",
        "| --- | --- |",
    ]
    for image in image_table():
        names = ", ".join(f"`{name}`" for name in image.names)
        lines.append(f"| {names} | `{image.environment}` |")
    return "\n".join(lines) + "\n"


def _refused(operation: str) -> str:
    told = []
    for refusal in REFUSALS.get(operation, ()):
        if refusal.allowed == (False,):
            told.append(f"`{refusal.path}` if true")
        elif refusal.allowed:
            told.append(f"`{refusal.path}` unless {' or '.join(map(str, refusal.allowed))}")
        else:
            told.append(f"`{refusal.path}`")
    return "; ".join(told) or "none"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
