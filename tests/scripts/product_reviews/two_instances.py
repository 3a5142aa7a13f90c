"""Runs a script as SageMaker runs it on two instances, each a fork of this process.

Run by the image's Python. The arguments are a folder, a port, the script and its options, in which
HERE becomes the folder of the instance.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from pathlib import Path

HOSTS = ("algo-1", "algo-2")


def run(host: str, folder: Path, port: str, argv: list[str]) -> int:
    """Run the script as one of them; return its exit code."""
    folder.mkdir()
    os.environ |= {
        "SM_HOSTS": str([*HOSTS]).replace("'", '"'), "SM_CURRENT_HOST": host,
        "SM_OUTPUT_DIR": str(folder), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    sys.argv = [part.replace("HERE", str(folder)) for part in argv]
    sys.path[0] = str(Path(argv[0]).parent)
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as stop:
        return int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    base, port, *argv = sys.argv[1:]
    children = []
    for host in HOSTS:
        child = os.fork()
        if not child:
            code = run(host, Path(base) / host, port, argv)
            sys.stdout.flush()
            os._exit(code)
        children.append(child)
    sys.exit(max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))


if __name__ == "__main__":
    main()
