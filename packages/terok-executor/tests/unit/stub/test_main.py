from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

from terok_util.process import spawn


def test_it_serves_until_interrupted_and_tells_what_it_saw(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"commands": ["ls"]}')
    child = spawn(
        [sys.executable, "-m", "terok_executor.stub", "--script", str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with child:
        assert child.stdout is not None
        url = child.stdout.readline().decode().strip()
        with urllib.request.urlopen(url + "/v1/models", timeout=30) as response:
            assert response.status == 200
        child.send_signal(signal.SIGINT)
        output, _ = child.communicate(timeout=30)
    assert child.returncode == 0
    assert json.loads(output)["path"] == "/v1/models"


def test_a_broken_script_is_one_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "terok_executor.stub", "--script", str(tmp_path / "none")]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("terok_executor.stub: error: cannot read the script")
    assert done.stderr.count("\n") == 1
