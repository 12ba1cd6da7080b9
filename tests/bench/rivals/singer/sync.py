"""The tap joined to target-sqlite by a pipe. Run by the tap's Python. Arguments: BASE_URL TOKEN DATABASE, which ends in .db.

The target's environment lies beside the tap's."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TARGET_PYTHON = Path(sys.prefix).with_name("target") / "bin/python"


def main():
    base, token, file = sys.argv[1:]
    if not file.endswith(".db"):
        sys.exit("target-sqlite writes to a file that ends in .db, whatever it was told")
    with tempfile.TemporaryDirectory() as folder:
        tap_config, target_config = Path(folder, "tap.json"), Path(folder, "target.json")
        tap_config.write_text(json.dumps({"base_url": base, "token": token}))
        target_config.write_text(json.dumps({"database": file}))
        tap = subprocess.Popen(
            [sys.executable, HERE / "tap.py", "--config", tap_config],
            stdout=subprocess.PIPE,
            env={**os.environ, "LOGLEVEL": "WARNING"},
        )
        # What the target says is the tap's bookmark, which a full read has no use for.
        target = subprocess.Popen(
            [TARGET_PYTHON, HERE / "target.py", "--config", target_config], stdin=tap.stdout, stdout=subprocess.DEVNULL
        )
        # So that the tap ends when the target does.
        tap.stdout.close()
        ends = [target.wait(), tap.wait()]
        if any(ends):
            sys.exit(f"the target ended with {ends[0]}, the tap with {ends[1]}")


main()
