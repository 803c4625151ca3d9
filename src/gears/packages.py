# SPDX-License-Identifier: BSD-3-Clause
"""Fetches and installs packages for gears' sessions: a program of its own, which the server runs.

usage: python3 -I -c THIS ROOT MAX_BYTES COMMAND ...

    env plain|system                              makes the virtual environment ROOT/env
    fetch wheels|sources DIR FIXED REQUIREMENT    fetches the wheels of a requirement and of what
                                                  it needs into DIR; FIXED: "name==version ..."
    install FILE...                               installs wheels, whatever was there
    uninstall NAME...                             removes packages

What comes of it is said on stdout, in lines of a word and its value:

    path DIR        where packages are
    python PROGRAM  what runs this program from now on
    module NAME     a top-level module that is replaced or goes
    conflict NAME   the requirement excludes the fixed version of this package
    error TEXT      why it failed, where more can be said than pip says on stderr
    full            ROOT has grown beyond MAX_BYTES

Names reach pip as arguments behind a `--`, so none is an option. What pip itself is configured to
do (PIP_... in the environment, pip.conf) holds for fetching. When stdin ends, the server has gone
or has changed its mind: everything ends with it.
"""
import os
import resource
import select
import shutil
import signal
import subprocess
import sys

ROOT, MAX_BYTES, COMMAND = sys.argv[1], int(sys.argv[2]), sys.argv[3]
WORDS = sys.argv[4:]
ENV = os.path.join(ROOT, 'env')
PYTHON = os.path.join(ENV, 'bin', 'python')
MARK = '.gears-packages'


def say(*words):
    print(*words, flush=True)


def size_of(folder):
    total = 0
    for path, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(path, name)).st_size
            except OSError:
                pass
    return total


def is_full():
    return MAX_BYTES and COMMAND != 'uninstall' and size_of(ROOT) > MAX_BYTES


def end_all():
    os.killpg(0, signal.SIGKILL)


def run(words):
    """Runs a program to its end, watching stdin and the folder's size; its exit code."""
    temporary = os.path.join(ROOT, 'tmp')
    # Who was ended has left there what it was at, and that would count.
    shutil.rmtree(temporary, ignore_errors=True)
    os.makedirs(temporary, exist_ok=True)
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith('PYTHON')}
    environment['TMPDIR'] = temporary
    child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=sys.stderr, env=environment)
    looks = 0
    while True:
        try:
            code = child.wait(0.05)
            break
        except subprocess.TimeoutExpired:
            pass
        if select.select([0], [], [], 0)[0] and not os.read(0, 1):
            end_all()
        looks += 1
        if looks % 10 == 0 and is_full():
            say('full')
            end_all()
    if is_full():
        say('full')
        return 1
    return code


def has_pip():
    """Whether this Python's own pip can work on another environment; then that needs none."""
    try:
        import pip
        return tuple(int(n) for n in pip.__version__.split('.')[:2]) >= (22, 3)
    except (ImportError, ValueError):
        return False


def pip(*words):
    target = [] if sys.prefix == ENV else ['--python', PYTHON]
    return run([sys.executable, '-m', 'pip', *target, '--disable-pip-version-check', '--no-input',
                *words])


def packages_path():
    lib = os.path.join(ENV, 'lib')
    for name in os.listdir(lib):
        path = os.path.join(lib, name, 'site-packages')
        if os.path.isdir(path):
            return path
    return None


def make_env(kind):
    for name in os.listdir(ROOT):
        path = os.path.join(ROOT, name)
        if name == MARK:
            continue
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)
    options = ['--system-site-packages'] if kind == 'system' else []
    try:
        import venv  # noqa: F401
        if has_pip():
            options.append('--without-pip')
        else:
            import ensurepip  # noqa: F401
    except ImportError:
        say('error', "the server's Python has no pip (Debian: python3-venv, python3-pip)")
        return 1
    code = run([sys.executable, '-I', '-m', 'venv', *options, '--', ENV])
    if code == 0:
        say('path', packages_path())
        say('python', sys.executable if has_pip() else PYTHON)
    return code


def excluded(requirement, fixed):
    """The fixed package that the requirement names, but not in that version; or None."""
    try:
        from pip._vendor.packaging import requirements, utils
        wanted = requirements.Requirement(requirement)
        name = utils.canonicalize_name(wanted.name)
        for pin in fixed:
            other, _, version = pin.partition('==')
            if utils.canonicalize_name(other) == name and \
                    not wanted.specifier.contains(version, prereleases=True):
                return name
    except Exception:  # it is pip's to judge
        return None
    return None


def fetch(kind, folder, fixed, requirement):
    fixed = fixed.split()
    name = excluded(requirement, fixed)
    if name:
        say('conflict', name)
        return 1
    constraints = os.path.join(ROOT, 'constraints')
    with open(constraints, 'w') as f:
        f.write('\n'.join(fixed) + '\n')
    only = ['--only-binary', ':all:'] if kind == 'wheels' else []
    words = ['--no-cache-dir', '--wheel-dir', folder, *only]
    if pip('wheel', *words, '-c', constraints, '--', requirement) == 0:
        return 0
    # Perhaps because of what it needs in turn. Then it can be had without the fixed versions, and
    # the server finds out, and says, which package is the one.
    return 1 if not fixed or is_full() else pip('wheel', *words, '--', requirement)


def say_modules(names):
    """What is installed under these names: its top-level modules."""
    from importlib import metadata
    tops = set()
    for name in names:
        for package in metadata.distributions(name=name, path=[packages_path()]):
            tops |= {f.parts[0].split('.')[0] for f in package.files or ()
                     if f.suffix in ('.py', '.so')}
    for top in sorted(tops):
        if top.isidentifier():
            say('module', top)


def install(*files):
    say_modules([os.path.basename(f).split('-')[0] for f in files])
    return pip('--isolated', 'install', '--no-index', '--no-deps', '--no-cache-dir',
               '--force-reinstall', '--', *files)


def uninstall(*names):
    say_modules(names)
    return pip('--isolated', 'uninstall', '-y', '--', *names)


def main():
    if MAX_BYTES:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if hard == resource.RLIM_INFINITY or hard > MAX_BYTES:
            resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_BYTES, MAX_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    commands = {'env': make_env, 'fetch': fetch, 'install': install, 'uninstall': uninstall}
    sys.exit(1 if commands[COMMAND](*WORDS) else 0)


main()
