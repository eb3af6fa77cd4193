"""The programs of an artifact that serve a component, the same to call in every release."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Program:
    """How a component is served by uWSGI: a script up to 2024.2, a module from 2025.1."""

    script: str
    module: str

    @property
    def module_file(self) -> str:
        """The module's file below site-packages."""
        return self.module.replace(".", "/") + ".py"


COMPONENTS = {
    "keystone": Program("keystone-wsgi-public", "keystone.wsgi.api"),
    "glance": Program("glance-wsgi-api", "glance.wsgi.api"),
    "placement": Program("placement-api", "placement.wsgi.api"),
}
"""The components an artifact holds, in the order they are upgraded."""

_LAUNCHER = """\
#!/bin/sh
# Serves {component} with the artifact this file belongs to. Arguments go to uWSGI: say where to listen,
# and with how many workers.
set -eu
# Not through the link that may have led here: it changes while we run, and modules are loaded late.
artifact=$(dirname "$(dirname "$(readlink -f "$0")")")
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


def launcher(component: str, *, module: bool) -> str:
    """The text of ``libexec/serve-COMPONENT``; ``module`` says whether its artifact has the module."""
    program = COMPONENTS[component]
    application = (
        f"--module {program.module}:application"
        if module
        else f'--wsgi-file "$artifact/bin/{program.script}"'
    )
    return _LAUNCHER.format(component=component, application=application)
