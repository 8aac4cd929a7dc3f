"""The environment and the working folder of one call, and what was there before."""

import contextlib
import os
import random
import sys


def change(environment):
    """None is a variable that is gone."""
    for name, value in environment.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


@contextlib.contextmanager
def surroundings(env, cwd):
    before = {name: os.environ.get(name) for name in env}
    folder = None
    if cwd is not None:
        folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if cwd is not None:
            os.chdir(cwd)
        change(env)
        yield
    finally:
        change(before)
        if folder is not None:
            os.fchdir(folder)
            os.close(folder)


def draw_anew():
    """A process that was frozen and copied must not draw the numbers of its copies."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
