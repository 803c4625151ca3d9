# SPDX-License-Identifier: BSD-3-Clause
"""The demo's data: where it comes from, and how it gets into a server.

Three sources, each a dictionary from key to value; a text value becomes a string, a dictionary
a hash. What a machine doesn't have is left out, with the reason:

    movie:<id>           title, year, director, runtime, genres        films.tsv beside this file
    text:<file>:<line>   a line of a licence text                      /usr/share/common-licenses
    package:<name>       version, section, priority, architecture,     dpkg-query
                         installed-size (KiB)
"""
import hashlib
import os
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
FILMS = os.path.join(HERE, "films.tsv")
TEXTS = "/usr/share/common-licenses"
PACKAGE_FIELDS = ("version", "section", "priority", "architecture", "installed-size")
PIPELINE = 500  # commands sent before their replies are read


class Source:
    """One kind of keys: its data, or the reason why there are none."""

    def __init__(self, pattern, kind, origin, keys, missing=None):
        self.pattern = pattern
        self.kind = kind
        self.origin = origin
        self.keys = keys
        self.missing = missing


def films():
    """The films of films.tsv, all fields as text."""
    with open(FILMS, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if not line.startswith("#")]
    names = lines[0].split("\t")
    keys = {}
    for line in lines[1:]:
        film = dict(zip(names, line.split("\t"), strict=True))
        keys["movie:" + film.pop("id")] = film
    return Source("movie:<id>", "hashes", "utils/demo/films.tsv", keys)


def texts(folder=TEXTS):
    """The lines that aren't blank of each text in the folder; a text under two names counts once.

    Debian keeps links to the newest version of a licence beside the versions: they are skipped.
    """
    origin = "%s, " % folder
    keys = {}
    seen = set()
    if not os.path.isdir(folder):
        return Source("text:<file>:<line>", "strings", folder, {}, "there is no " + folder)
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if os.path.islink(path) or not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            raw = file.read()
        digest = hashlib.sha256(raw).digest()
        if digest in seen:
            continue
        seen.add(digest)
        for number, line in enumerate(raw.decode("utf-8", "replace").split("\n"), 1):
            if line.strip():
                keys["text:%s:%d" % (name, number)] = line
    missing = None if keys else "no text in " + folder
    return Source("text:<file>:<line>", "strings", origin + "%d texts" % len(seen), keys, missing)


def packages():
    """The installed packages of the machine, as dpkg lists them; empty fields are left out."""
    columns = ("db:Status-Status", "binary:Package", "Version", "Section", "Priority",
               "Architecture", "Installed-Size")
    layout = "\t".join("${%s}" % column for column in columns) + "\n"
    pattern, kind = "package:<name>", "hashes"
    try:
        listing = subprocess.run(["dpkg-query", "-W", "-f", layout], check=True,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE).stdout.decode("utf-8", "replace")
    except FileNotFoundError:
        return Source(pattern, kind, "dpkg-query", {}, "there is no dpkg-query")
    except subprocess.CalledProcessError as failure:
        return Source(pattern, kind, "dpkg-query", {}, "dpkg-query ended with %d"
                      % failure.returncode)
    keys = {}
    for line in listing.splitlines():
        status, name, *values = line.split("\t")
        if status == "installed":
            fields = {field: value for field, value in zip(PACKAGE_FIELDS, values) if value}
            keys["package:" + name] = fields
    return Source(pattern, kind, "dpkg-query -W", keys, None if keys else "no package installed")


def load(client, sources):
    """Writes every key of the sources to the server; returns how many."""
    pipe = client.pipeline(transaction=False)
    count = 0
    for source in sources:
        for key, value in source.keys.items():
            if isinstance(value, dict):
                pipe.hset(key, mapping=value)
            else:
                pipe.set(key, value)
            count += 1
            if count % PIPELINE == 0:
                pipe.execute()
    pipe.execute()
    return count
