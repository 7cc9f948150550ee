"""A function that a test runs in a process of its own; nothing heavy is imported here."""

import os
import time
from pathlib import Path


def sleeps_in_a_process(place):
    Path(place).write_text(str(os.getpid()))
    time.sleep(300)
