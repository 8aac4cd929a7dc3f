"""Figures that a cell has drawn with matplotlib and left open are its results, as in a notebook; `show` is not needed."""

import io
import os
import sys
import warnings


def prepare_figures():
    # Also of what the cells start. The warning is that of `show`, which has nothing left to do.
    os.environ.setdefault("MPLBACKEND", "agg")
    warnings.filterwarnings("ignore", message=".*(non-GUI backend|non-interactive).*", category=UserWarning)


def take_figures():
    """The forms of every open figure that has something on it; all are closed. Costs nothing while nobody has imported pyplot."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is None or not hasattr(pyplot, "get_fignums"):
        return
    try:
        for number in pyplot.get_fignums():
            figure = pyplot.figure(number)
            if figure.axes or figure.texts or figure.images:
                yield {**picture_of(figure), "is_main_result": False}
    finally:
        pyplot.close("all")


def is_figure(value):
    module = sys.modules.get("matplotlib.figure")
    return module is not None and isinstance(value, getattr(module, "Figure", ()))


def picture_of(figure):
    picture = io.BytesIO()
    figure.savefig(picture, format="png", bbox_inches="tight")
    return {"text": repr(figure), "png": picture.getvalue()}


def close_figure(figure):
    """One that is a result already is not shown again."""
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(figure)
