"""A stand-in for VizieR and Sesame on loopback: it answers as they do, from a table that a test gives it."""

from __future__ import annotations

import io
import threading
import warnings
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

from astropy.io.votable import from_table, writeto
from astropy.table import Table

# As Sesame answers in its plain form.
FOUND = "# {name}\t#Q1\n#=S=Simbad (via url):    1\n%C.0 OpC\n%J 174.0610 -61.6160 = 11:36:14.6 -61:36:58\n"
UNKNOWN = "# {name}\t#Q1\n#! *** Nothing found *** \n"


class _Server(ThreadingHTTPServer):
    table: Table
    broken = b""  # what is answered instead of the table
    name_answer = ""  # what is answered about any name

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

    def _answer(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self) -> None:
        name = unquote(self.path.partition("?")[2])
        text = FOUND if name.endswith("3766") else UNKNOWN
        self._answer((self.server.name_answer or text.format(name=name)).encode(), "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        asked = dict(line.split("=", 1) for line in body.splitlines() if "=" in line)
        self.server.asked.append(asked)
        table = self.server.table
        names = [name for name in asked["-out"].split(",") if name in table.colnames]
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about names such as E(BP/RP); whoever asked is waiting meanwhile
            writeto(from_table(table[names][: int(asked["-out.max"])]), buffer)
        self._answer(self.server.broken or buffer.getvalue(), "text/xml")


@contextmanager
def serving():
    """Run the server in a thread."""
    server = _Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
