"""The life of the process: one call after another, each to its end, whatever the cell does."""

import builtins
import os
import signal
import sys
import types

from . import cell, channel, display, figures, streams, surroundings

_CHANNEL = 3
_EXIT_FAILED = 1
_EXIT_INTERRUPTED = 130


def serve():
    wire = channel.Channel(_CHANNEL)
    streams.replace_streams()
    figures.prepare_figures()
    interrupt = Interrupt()
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    sys.argv = [""]
    cells = cell.Cells(main.__dict__)

    def send_result(result):
        wire.send(channel.RESULT, result)

    display.install_display(send_result)
    # Those of the site module close descriptor 0 on their way out.
    builtins.exit = builtins.quit = sys.exit
    show = Show(send_result)
    while True:
        call = wire.receive()
        if call is None:
            os._exit(0)
        code = run_call(call, cells, show, wire, interrupt)
        if not wire.is_open():
            # A fork of the cell's, that has run to the end of the cell.
            os._exit(code)
        wire.send(channel.DONE, {"exit_code": code})


def run_call(call, cells, show, wire, interrupt):
    """The exit code, as of a program."""
    try:
        if call["draws_anew"]:
            surroundings.draw_anew()
        surroundings.change(call["environment"])
        with surroundings.surroundings(call["env"], call["cwd"]), interrupt:
            try:
                show.main(cells.run(call["code"], call["count"]))
            finally:
                show.figures()
        return 0
    except SystemExit as ended:
        return exit_code_of(ended)
    except BaseException as failure:
        error = cell.error_of(failure)
        if wire.is_open():
            wire.send(channel.ERROR, error)
        else:
            print(*error["traceback"], sep="\n", file=sys.stderr)
        return _EXIT_INTERRUPTED if isinstance(failure, KeyboardInterrupt) else _EXIT_FAILED
    finally:
        streams.flush_streams()


def exit_code_of(ended):
    if ended.code is None:
        return 0
    if isinstance(ended.code, int):
        return ended.code & 255
    print(ended.code, file=sys.stderr)
    return _EXIT_FAILED


class Show:
    """Sends what a cell has to show."""

    def __init__(self, send):
        self._send = send

    def main(self, value):
        if value is None:
            return
        self._send(display.result_of(value, True))
        if figures.is_figure(value):
            figures.close_figure(value)

    def figures(self):
        for forms in figures.take_figures():
            self._send(display.bounded(forms))


class Interrupt:
    """SIGINT is a KeyboardInterrupt while a cell runs, and nothing at all between two cells."""

    def __init__(self):
        self._is_on = False
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number, frame):
        if self._is_on:
            raise KeyboardInterrupt

    def __enter__(self):
        self._is_on = True

    def __exit__(self, *_):
        self._is_on = False
