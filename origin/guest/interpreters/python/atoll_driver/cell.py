"""Compiles and runs one cell: the value of its last expression is its result, and `await` may stand at its top level."""

import ast
import inspect
import linecache
import traceback

_FILE_BEGINNING = "<cell "
# Of a cell, where its last expression is put for a moment.
_VALUE = "__atoll_value__"
_FOLDER = __file__.rpartition("/")[0]
_CELLS_KEPT = 256
_TRACEBACK_LINES_MAX = 100
_LINE_CHARS_MAX = 2_000
_VALUE_CHARS_MAX = 8_192


class Cells:
    def __init__(self, namespace):
        self._namespace = namespace
        self._files = []
        self._loop = None

    def run(self, code, count):
        """The value of the last expression, or None. Raises what the cell raises."""
        file = f"{_FILE_BEGINNING}{count}>"
        self._remember(file, code)
        tree = ast.parse(code, file)
        last = tree.body[-1] if tree.body else None
        # As in a notebook, a semicolon says that the value is not wanted.
        if isinstance(last, ast.Expr) and not code.rstrip().endswith(";"):
            tree.body[-1] = ast.copy_location(ast.Assign([ast.Name(_VALUE, ast.Store())], last.value), last)
            ast.fix_missing_locations(tree)
        compiled = compile(tree, file, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        try:
            running = eval(compiled, self._namespace)
            if compiled.co_flags & inspect.CO_COROUTINE:
                self._await(running)
            return self._namespace.get(_VALUE)
        finally:
            self._namespace.pop(_VALUE, None)

    def _await(self, coroutine):
        # Dear to import, and most sessions never await.
        import asyncio

        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        task = self._loop.create_task(coroutine)
        try:
            self._loop.run_until_complete(task)
        except BaseException:
            # An interrupt leaves the loop in the middle; the next cell must not go on with this one.
            if not task.done():
                task.cancel()
                self._loop.run_until_complete(asyncio.wait([task]))
            raise

    def _remember(self, file, code):
        """So that a traceback shows the lines of a function that an earlier cell has made."""
        self._files.append(file)
        linecache.cache[file] = (len(code), None, code.splitlines(True), file)
        if len(self._files) > _CELLS_KEPT:
            linecache.cache.pop(self._files.pop(0), None)


def error_of(failure):
    """What a cell raised, as data. What stands in the traceback before the cell is no affair of it."""
    try:
        told = traceback.TracebackException(type(failure), failure, _frames_of(failure))
        told.stack[:] = [frame for frame in told.stack if not frame.filename.startswith(_FOLDER)]
        lines = "".join(told.format()).splitlines()
        value = str(failure)
    except Exception:
        lines, value = [type(failure).__name__], ""
    if len(lines) > _TRACEBACK_LINES_MAX:
        half = _TRACEBACK_LINES_MAX // 2
        lines = [*lines[:half], "...", *lines[-half:]]
    return {
        "name": type(failure).__name__,
        "value": value[:_VALUE_CHARS_MAX],
        "traceback": [line[:_LINE_CHARS_MAX] for line in lines],
    }


def _frames_of(failure):
    frames = failure.__traceback__
    while frames is not None and not frames.tb_frame.f_code.co_filename.startswith(_FILE_BEGINNING):
        frames = frames.tb_next
    return frames
