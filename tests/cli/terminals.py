"""A terminal for tests: what a process writes on it is read, and what a person would type is written."""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time


class Terminal:
    """A terminal of so many columns and 30 lines with a process in it."""

    def __init__(self, cwd, *words, columns=100):
        self.main, side = pty.openpty()
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
        env = {**os.environ, "TERM": "xterm-256color"}
        env.pop("COLUMNS", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "stretto", *map(str, words)], stdin=side, stdout=side, stderr=side, cwd=cwd, env=env,
            start_new_session=True,
        )  # fmt: skip
        os.close(side)
        self.told = ""

    def until(self, text, patience=30.0):
        deadline = time.monotonic() + patience
        while text not in self.plain:
            assert time.monotonic() < deadline, f"no {text!r} in {self.plain!r}"
            if not self._read():
                assert text in self.plain, self.plain
                return

    def _read(self):
        if not select.select([self.main], [], [], 0.1)[0]:
            return True
        try:
            found = os.read(self.main, 65536)
        except OSError:  # the last one has closed it
            return False
        self.told += found.decode("utf-8", errors="replace")
        return bool(found)

    @property
    def plain(self):
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.told)

    def type(self, text):
        os.write(self.main, text.encode())

    def end(self, patience=30.0):
        deadline = time.monotonic() + patience
        while self._read():
            assert time.monotonic() < deadline, self.plain
        return self.process.wait(patience)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.main)
