from __future__ import annotations

import io

from terok_executor.image.tail import StepLine


def test_steps_replace_each_other_and_headlines_stay() -> None:
    stream = io.StringIO()
    with StepLine(stream) as line:
        line("building localhost/x")
        line("STEP 1/9: FROM y")
        line("x" * 500)
        line("Error: nothing works")
    shown = [part.removeprefix("\x1b[K") for part in stream.getvalue().split("\r")[1:]]
    assert shown[0].startswith("   0:00  building localhost/x")
    assert [part.endswith("\n") for part in shown] == [True, False, False, True, False]
    assert max(map(len, shown)) < 500, "a line that wraps could not be replaced"
    assert shown[-1] == "", "the last step is cleared away"
