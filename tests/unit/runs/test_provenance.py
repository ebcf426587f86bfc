from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from htr_exp.runs import provenance


def test_the_code_is_kept_by_content_and_runs_from_where_it_is_kept(tmp_path: Path) -> None:
    kept = provenance.keep_code(tmp_path)
    assert kept == tmp_path / "code" / provenance.code_digest()[:16]
    assert provenance.keep_code(tmp_path) == kept
    said = subprocess.run(
        [sys.executable, "-c", "from htr_exp.runs import provenance; print(provenance.PACKAGE, provenance.code_digest())"],
        env={"PYTHONPATH": str(kept)}, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout.split() == [str(kept / "htr_exp"), provenance.code_digest()]


def test_the_digest_of_the_code_is_of_names_and_contents(tmp_path: Path) -> None:
    kept = provenance.keep_code(tmp_path)

    def digest() -> str:
        code = "from htr_exp.runs import provenance; print(provenance.code_digest())"
        return subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONPATH": str(kept)}, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout  # fmt: skip

    before = digest()
    module = kept / "htr_exp" / "core" / "files.py"
    module.write_text(module.read_text() + "# edited\n")
    edited = digest()
    assert edited != before
    module.rename(module.with_name("files_.py"))
    (kept / "htr_exp" / "core" / "files.py").write_text((kept / "htr_exp" / "core" / "files_.py").read_text())
    assert digest() not in (before, edited)
