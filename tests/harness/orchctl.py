"""`orchctl` as people run it: with pipes, or in a terminal of its own."""
import os
import pty
import re
import select
import signal
import subprocess
import time

from .daemon import program

ESCAPES = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(text):
    """What a terminal was sent, without its escape sequences."""
    return ESCAPES.sub("", text).replace("\r", "")


class Orchctl:
    """Runs against one daemon, with a home of its own and nothing of the caller's settings."""

    def __init__(self, daemon, home):
        self.home = home
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "xterm",
                            "LC_ALL": "C.UTF-8"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.environment[name] = os.environ[name]
        if daemon:
            self.environment["ORCH_SERVER"] = f"http://127.0.0.1:{daemon.port}"
            self.environment["ORCH_API_KEY"] = daemon.key

    def run(self, *arguments, stdin="", within=30, **environment):
        return subprocess.run([program("orchctl"), *map(str, arguments)], input=stdin, text=True,
                              capture_output=True, timeout=within,
                              env={**self.environment, **environment})

    def ok(self, *arguments, **more):
        """Its standard output; it must have succeeded."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, (arguments, done)
        return done.stdout

    def fails(self, status, *arguments, **more):
        """Its standard error; it must have ended with that status."""
        done = self.run(*arguments, **more)
        assert done.returncode == status, (arguments, done)
        return done.stderr

    def spawn(self, *arguments, **environment):
        """Begun with pipes and left running: for what follows."""
        return subprocess.Popen([program("orchctl"), *map(str, arguments)], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env={**self.environment, **environment})

    def terminal(self, *arguments, **environment):
        return Terminal([str(program("orchctl")), *map(str, arguments)],
                        {**self.environment, **environment})


class Terminal:
    """The program in a pseudo-terminal; both its outputs and its input are it."""

    def __init__(self, command, environment):
        self.seen = ""
        self.status = None
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            os.execve(command[0], command, environment)

    def read(self, seconds):
        """What comes within that time; False at its end."""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return True
        try:
            more = os.read(self.descriptor, 65536)
        except OSError:
            return False
        self.seen += more.decode(errors="replace")
        return bool(more)

    def expect(self, text, within=15):
        deadline = time.monotonic() + within
        while text not in self.seen:
            assert time.monotonic() < deadline, f"no {text!r} in {self.seen!r}"
            assert self.read(0.1) or text in self.seen, f"ended without {text!r}: {self.seen!r}"
        return self

    def type(self, text):
        os.write(self.descriptor, text.encode())
        return self

    def end(self, within=15):
        """Waits for its end; what it wrote in all."""
        deadline = time.monotonic() + within
        while self.read(0.1):
            assert time.monotonic() < deadline, f"still runs: {self.seen!r}"
        _, status = os.waitpid(self.pid, 0)
        os.close(self.descriptor)
        self.status = os.waitstatus_to_exitcode(status)
        return self.seen

    def kill(self):
        os.kill(self.pid, signal.SIGKILL)
        self.end()
