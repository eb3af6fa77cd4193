"""The programs of an artifact that run a service, the same to call in every release."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wsgi:
    """A service that uWSGI serves: the release's module, or its script where it has none yet."""

    module: str
    script: str = ""
    daemon: str = ""
    """Instead of a script: the command of one that served itself, to which uWSGI's options mean nothing."""
    options: str = ""
    """More of uWSGI's options, those that the artifact itself knows."""

    @property
    def module_file(self) -> str:
        """The module's file below site-packages."""
        return self.module.replace(".", "/") + ".py"


@dataclass(frozen=True, slots=True)
class Daemon:
    """A service that runs by itself: a script of the artifact, and its arguments."""

    command: str


Program = Wsgi | Daemon

_HEAD = """\
set -eu
# Not through the link that may have led here: it changes while we run, and modules are loaded late.
artifact=$(dirname "$(dirname "$(readlink -f "$0")")")
"""

_SERVED = (
    """\
#!/bin/sh
# Serves {name} with the artifact this file belongs to. Arguments go to uWSGI: say where to listen,
# and with how many workers.
"""
    + _HEAD
    + """\
# Ready is when the application is loaded, not when uWSGI is: the worker says it.
ready=true
if [ -n "${{NOTIFY_SOCKET:-}}" ]; then
  ready="NOTIFY_SOCKET=$NOTIFY_SOCKET systemd-notify --ready"
  unset NOTIFY_SOCKET
fi
# On SIGTERM requests in flight are answered before their worker ends. Taking Python's interpreter down
# after that gains nothing, and hangs for many seconds now and then: it begins in a signal handler.
exec "$artifact/bin/python" "$artifact/bin/pyuwsgi" {application} \\
  --master --enable-threads --need-app --die-on-term \\
  --buffer-size 65535 --add-header 'Connection: close' --disable-logging --skip-atexit-teardown \\
  --hook-master-start 'unix_signal:15 gracefully_kill_them_all' --worker-reload-mercy 30 \\
  --hook-accepting1-once "exec:$ready" \\
  "$@"
"""
)

_RUN = (
    """\
#!/bin/sh
# Runs {name} with the artifact this file belongs to, whatever the arguments.
"""
    + _HEAD
    + """\
# What it starts in turn, such as helpers with more privileges, is of the same artifact.
export PATH="$artifact/bin:$PATH"
exec "$artifact/bin/python" "$artifact/bin/"{command}
"""
)


def launcher(name: str, program: Program, *, module: bool) -> str:
    """The text of ``libexec/serve-NAME``; ``module`` says whether its artifact has the program's module."""
    match program:
        case Daemon(command):
            return _RUN.format(name=name, command=command)
        case Wsgi(daemon=command) if command and not module:
            return _RUN.format(name=name, command=command)
        case Wsgi():
            application = (
                f"--module {program.module}:application"
                if module
                else f'--wsgi-file "$artifact/bin/{program.script}"'
            )
            return _SERVED.format(name=name, application=" ".join((application, *program.options.split())))
