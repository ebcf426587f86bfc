"""A stand-in for `apptainer exec`, where the real one cannot be had: it runs the program on this machine, in no image at all.

What it imitates is that programs are looked for in the image: first in the folder that FAKE_IMAGE names. Binds, the clean
environment and the image itself are for the tests with the real one (tests/apptainer).
"""

from __future__ import annotations

import os
import sys


def main() -> None:
    words = sys.argv[1:]
    image = next(number for number, word in enumerate(words) if word.endswith(".sif"))
    os.chdir(words[words.index("--pwd") + 1])
    path = os.pathsep.join([os.environ["FAKE_IMAGE"], os.environ["PATH"]])
    os.execvpe(words[image + 1], words[image + 1 :], os.environ | {"PATH": path})


if __name__ == "__main__":
    main()
