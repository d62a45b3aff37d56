"""Databases of a test or of several: made from a template, and dropped again."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


class Databases:
    """Makes databases on the server at `url`, over one connection to it."""

    def __init__(self, url: str, connection: psycopg.Connection) -> None:
        self._url = url
        self._connection = connection
        self._numbers = itertools.count()

    @contextmanager
    def fresh(self, purpose: str, template: str = "template1") -> Iterator[str]:
        """Address of a new database, a copy of `template`, that is dropped after the block."""
        name = f"oco_{purpose}_{os.getpid()}_{next(self._numbers)}"
        # With the drop about a quarter cheaper than logging every page; mostly the drop is.
        self._execute("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, template)
        try:
            yield urlsplit(self._url)._replace(path=f"/{name}").geturl()
        finally:
            self._execute("DROP DATABASE {} WITH (FORCE)", name)

    def _execute(self, statement: LiteralString, *names: str) -> None:
        self._connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
