# SPDX-License-Identifier: BSD-3-Clause
"""The programs of the clients, and how each is brought to run."""
import os
import shutil
import subprocess

from problem import Problem

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "clients")
NODE = os.path.join(BUILD, "node")

# name: (what runs it, what says that the client is there, what to install otherwise)
INTERPRETED = {
    "python-redis": (["/usr/bin/python3", os.path.join(HERE, "python_redis.py")],
                     ["/usr/bin/python3", "-c", "import redis"], "python3-redis"),
    "php-redis": (["php", os.path.join(HERE, "php_redis.php")],
                  ["php", "-r", "exit(extension_loaded('redis') ? 0 : 1);"], "php-cli, php-redis"),
    "ruby-redis": (["ruby", os.path.join(HERE, "ruby_redis.rb")],
                   ["ruby", "-e", "require 'redis'"], "ruby-redis"),
}
OF_NODE = {"node-redis": "node_redis.mjs", "ioredis": "ioredis.mjs"}
NAMES = [*INTERPRETED, "hiredis", *OF_NODE]


def run(command, **how):
    """Output and success of a command that may be missing."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=300, check=False, **how)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error), False
    return done.stdout.decode("utf-8", "replace"), done.returncode == 0


def hiredis():
    program = os.path.join(BUILD, "hiredis")
    source = os.path.join(HERE, "hiredis.c")
    if not os.path.exists(program) or os.path.getmtime(program) < os.path.getmtime(source):
        os.makedirs(BUILD, exist_ok=True)
        output, built = run(["gcc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror",
                             "-D_GNU_SOURCE", "-o", program, source, "-lhiredis"])
        if not built:
            raise Problem("not run: it can't be built; it needs libhiredis-dev\n" + output[-2000:])
    return [program]


def node(script):
    """npm installs what node/package.json names, once. The scripts are copied there: node looks
    for packages above a script's own folder."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Problem("not run: it needs node and npm (packages nodejs, npm)")
    source = os.path.join(HERE, "node")
    wanted = os.path.join(source, "package.json")
    installed = os.path.join(NODE, "node_modules", ".cogwheel-package.json")
    os.makedirs(NODE, exist_ok=True)
    with open(wanted, encoding="utf-8") as file:
        packages = file.read()
    if not os.path.exists(installed) or open(installed, encoding="utf-8").read() != packages:
        shutil.copy(wanted, NODE)
        output, done = run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"],
                           cwd=NODE)
        if not done:
            raise Problem("not run: npm can't install its packages; is there a network?\n"
                          + output[-2000:])
        with open(installed, "w", encoding="utf-8") as file:
            file.write(packages)
    for name in os.listdir(source):
        if name.endswith(".mjs"):
            shutil.copy(os.path.join(source, name), NODE)
    return ["node", os.path.join(NODE, script)]


def prepare(name):
    """The command that runs a program. Problem: what it lacks."""
    if name == "hiredis":
        return hiredis()
    if name in OF_NODE:
        return node(OF_NODE[name])
    command, probe, packages = INTERPRETED[name]
    if not run(probe)[1]:
        raise Problem("not run: it needs %s" % packages)
    return command
