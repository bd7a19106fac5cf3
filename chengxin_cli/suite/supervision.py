"""The suite's processes under supervisord: started in order, restarted when they die, stopped in reverse order."""

import configparser
import contextlib
import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import xmlrpc.client
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from chengxin_cli.output import print_lines
from chengxin_cli.suite.home import PDEATHSIG, Home, parent_environment, write_private
from chengxin_cli.suite.waiting import Awaited, Standstill, read_last_line, wait_for

_GROUPS: Final = ("stores", "services", "edge")
_DOWN: Final = {"BACKOFF", "FATAL"}
# The errors of a supervisor that is starting or does not run.
_AWAY: Final = (OSError, xmlrpc.client.ProtocolError, xmlrpc.client.ResponseError, http.client.HTTPException)
# The same with its refusals of a call, for those who only ask how it is.
UNREACHABLE: Final = (*_AWAY, xmlrpc.client.Fault)
# The supervisor's codes of the refusals that are expected (`supervisor.xmlrpc.Faults`, which has no types).
_SHUTDOWN_STATE: Final = 6
_SPAWN_ERROR: Final = 50
_ALREADY_STARTED: Final = 60
_NOT_RUNNING: Final = 70
# The supervisor kills what does not end within `stopwaitsecs`; when for longer than that nothing ends, it hangs itself.
_PROGRAM_END_SECONDS: Final = 10
_STOP_SECONDS: Final = 2.0 * _PROGRAM_END_SECONDS
# How long a program that is to be started again has to end by itself.
_ENDING_SECONDS: Final = 3.0


class UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = str(path)

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(30)
        connection.sock.connect(self._path)
        return connection


class Supervision:
    """Runs `programs` ({name: {command, environment, group}}) until the context ends.

    When `stop` is set, what it waits for raises `Stopped`.
    """

    def __init__(self, home: Home, programs: dict[str, dict[str, Any]], stop: threading.Event) -> None:
        self._home = home
        self._programs = programs
        self._stop = stop
        # Unix socket paths are limited to about 100 characters; that of the home may be longer.
        self._runtime = tempfile.TemporaryDirectory(prefix="chengxin-")
        self.socket = Path(self._runtime.name) / "supervisor.sock"
        self._process: subprocess.Popen[bytes] | None = None
        # Last seen state and pid of each program.
        self._seen: dict[str, tuple[str, int]] = {}
        self._wanted: set[str] = set()
        # The pids of the programs that had not ended when this was last asked during a stop.
        self._running: dict[str, int] = {}
        # The programs that were ended to be started again.
        self._restarted: set[str] = set()

    def __enter__(self) -> "Supervision":
        try:
            self._launch()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if (process := self._process) is not None:
            process.send_signal(signal.SIGTERM)
            try:
                wait_for(self._find_running, None, _STOP_SECONDS)
            except Standstill as e:
                print_lines(*e.message.split("\n"), "they are killed", err=True)
                self._kill(process)
            process.wait()
        self._runtime.cleanup()

    def _find_running(self) -> list[Awaited]:
        """What has not ended yet, the supervisor last; it ends the programs group by group, and kills what stays."""
        if self._process is None or self._process.poll() is not None:
            return []
        with contextlib.suppress(*UNREACHABLE):
            self._running = {s["name"]: s["pid"] for s in self.states() if s["pid"]}
        running = {"supervisord": self._process.pid} | self._running
        return [Awaited(name, "its end", self._home.log(name), "STOPPING", pid) for name, pid in running.items()]

    def _kill(self, process: "subprocess.Popen[bytes]") -> None:
        # Frozen, so that it neither starts a program again nor takes notice of an end: the pids stay theirs.
        process.send_signal(signal.SIGSTOP)
        for pid in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        process.kill()

    def environment(self, program: str) -> dict[str, str]:
        """The environment variables that a program gets beside those of this process."""
        return dict(self._programs[program]["environment"])

    def start(self, names: Iterable[str]) -> None:
        """Starts programs that are not running; returns once they have started, which is before they are ready.

        What ends at once is tried again by the supervisor, and told by `reports`. Raises `ClickException` for a program
        that cannot be started.
        """
        for name in names:
            self._wanted.add(name)
            try:
                with self._rpc() as rpc:
                    self._start(rpc, f"{self._programs[name]['group']}:{name}")
            except xmlrpc.client.Fault as e:
                raise click.ClickException(f"{name} cannot be started: {e.faultString}") from None

    def restart(self, name: str) -> None:
        """Stops and starts a program; one that SIGTERM does not end is killed.

        Without effect on a program that is being started again already, and while the supervisor does not run. After a
        stop was asked for it is not started again.
        """
        program = f"{self._programs[name]['group']}:{name}"
        with contextlib.suppress(*_AWAY), self._rpc() as rpc:
            try:
                rpc.supervisor.stopProcess(program, False)
            except xmlrpc.client.Fault as e:
                if e.faultCode in (_NOT_RUNNING, _SHUTDOWN_STATE):
                    return
                raise
            self._restarted.add(name)
            deadline = time.monotonic() + _ENDING_SECONDS
            while not self._has_ended(rpc, program) and time.monotonic() < deadline:
                time.sleep(0.1)
            if not self._has_ended(rpc, program):
                # It may have ended since; it must be started all the same.
                with _expecting(_NOT_RUNNING):
                    rpc.supervisor.signalProcess(program, "KILL")
            while not self._has_ended(rpc, program):
                time.sleep(0.1)
            if not self._stop.is_set():
                self._start(rpc, program)

    @staticmethod
    def _start(rpc: xmlrpc.client.ServerProxy, program: str) -> None:
        with _expecting(_ALREADY_STARTED, _SPAWN_ERROR):
            rpc.supervisor.startProcess(program, False)

    @staticmethod
    def _has_ended(rpc: xmlrpc.client.ServerProxy, program: str) -> bool:
        info: Any = rpc.supervisor.getProcessInfo(program)
        return not info["pid"]

    def states(self) -> list[dict[str, Any]]:
        """Each program's name, state and pid, as supervisord reports them."""
        with self._rpc() as rpc:
            infos: Any = rpc.supervisor.getAllProcessInfo()
            return list(infos)

    def reports(self) -> Iterator[str]:
        """What happened since the last call that the operator should know: a program died, or is back."""
        if self._process is not None and self._process.poll() is not None:
            yield f"supervisord ended (exit {self._process.returncode}); starting it again"
            self._launch()
            self.start(sorted(self._wanted))
        try:
            states = self.states()
        except UNREACHABLE:
            return
        for info in states:
            yield from self._describe_change(info["name"], info["statename"], info["pid"], info["spawnerr"])

    def _describe_change(self, name: str, state: str, pid: int, error: str) -> Iterator[str]:
        last_state, last_pid = self._seen.get(name, ("", 0))
        self._seen[name] = state, pid or last_pid
        if state in _DOWN and last_state != state:
            yield f"{name} is down ({error or 'it ended at once'}); it is tried again, see {self._home.log(name)}"
        elif last_pid and pid and pid != last_pid:
            if name in self._restarted:
                self._restarted.discard(name)
                yield f"{name} (pid {last_pid}) was ended; started again as pid {pid}"
            else:
                last_line = read_last_line(self._home.log(name))
                yield f"{name} (pid {last_pid}) died; started again as pid {pid}; its log ends with: {last_line}"

    def _launch(self) -> None:
        config = self._home.path / "supervisord.conf"
        write_private(config, self._render_config().encode())
        self.socket.unlink(missing_ok=True)
        daemon = Path(sys.executable).with_name("supervisord")
        # It has a session of its own: Ctrl-C in the terminal reaches only `chengxin up`, which then stops all in order.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PDEATHSIG), sys.executable, str(daemon), "-n", "-c", str(config)],
            cwd=self._home.path,
            env=parent_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_for(partial(self._find_missing_supervisor, self._process), self._stop)

    def _find_missing_supervisor(self, process: "subprocess.Popen[bytes]") -> list[Awaited]:
        log = self._home.log("supervisord")
        try:
            self.states()
        except UNREACHABLE:
            if process.poll() is not None:
                raise click.ClickException(
                    f"supervisord ended (exit {process.returncode}); its log ends with: {read_last_line(log)} (see {log})"
                ) from None
            return [Awaited("supervisord", "its answer", log, pid=process.pid)]
        return []

    @contextlib.contextmanager
    def _rpc(self) -> Iterator[xmlrpc.client.ServerProxy]:
        with xmlrpc.client.ServerProxy("http://localhost", transport=UnixTransport(self.socket)) as proxy:
            yield proxy

    def _render_config(self) -> str:
        parser = configparser.RawConfigParser()
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        parser["unix_http_server"] = {"file": _escape(str(self.socket)), "chmod": "0600"}
        parser["supervisord"] = {
            "logfile": _escape(str(self._home.log("supervisord"))),
            "logfile_maxbytes": "5MB",
            "pidfile": _escape(str(self._home.path / "supervisord.pid")),
            "nodaemon": "true",
        }
        parser["rpcinterface:supervisor"] = {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        }
        for number, group in enumerate(_GROUPS):
            members = [n for n, p in self._programs.items() if p["group"] == group]
            parser[f"group:{group}"] = {"programs": ",".join(members), "priority": str(number)}
        for name, program in self._programs.items():
            line = [sys.executable, "-I", str(PDEATHSIG), *program["command"]]
            parser[f"program:{name}"] = {
                "command": " ".join(f'"{_escape(part)}"' for part in line),
                "environment": ",".join(f'{k}="{_escape(v)}"' for k, v in program["environment"].items()),
                "directory": _escape(os.getcwd()),
                "autostart": "false",
                "autorestart": "true",
                "startsecs": "1",
                # The pause before each further try grows by a second.
                "startretries": "1000",
                "stopwaitsecs": str(_PROGRAM_END_SECONDS),
                "stopasgroup": "false",
                "killasgroup": "true",
                "redirect_stderr": "true",
                "stdout_logfile": _escape(str(self._home.log(name))),
                "stdout_logfile_maxbytes": "10MB",
                "stdout_logfile_backups": "2",
            }

        text = io.StringIO()
        parser.write(text)
        return text.getvalue()


@contextlib.contextmanager
def _expecting(*codes: int) -> Iterator[None]:
    """Passes over the refusals of the supervisor that have one of these codes."""
    try:
        yield
    except xmlrpc.client.Fault as e:
        if e.faultCode not in codes:
            raise


def _escape(text: str) -> str:
    return text.replace("%", "%%")
