"""What an object looks like, in every form that it offers: IPython's protocol, so that what is made for notebooks works here."""

import base64
import builtins
import json

from .figures import is_figure, picture_of

_TEXT_CHARS_MAX = 64 * 1024
# Of all forms of one object together, as JSON. The agent takes a little more (codeMessageBytesMax).
_FORMS_CHARS_MAX = 7 * 1024 * 1024

# The field of a result, the method that offers it, and its name in a mime bundle.
_FORMS = (
    ("html", "_repr_html_", "text/html"),
    ("markdown", "_repr_markdown_", "text/markdown"),
    ("svg", "_repr_svg_", "image/svg+xml"),
    ("png", "_repr_png_", "image/png"),
    ("jpeg", "_repr_jpeg_", "image/jpeg"),
    ("latex", "_repr_latex_", "text/latex"),
    ("json", "_repr_json_", "application/json"),
)


def result_of(value, is_main):
    """The fields of one result. An object that cannot show itself in a form is shown without it."""
    if is_figure(value):
        # A figure of matplotlib offers no form by itself.
        return bounded({**picture_of(value), "is_main_result": is_main})
    forms = {"text": _text_of(value)}
    if not isinstance(value, type):
        bundle = _call(value, "_repr_mimebundle_") or {}
        if isinstance(bundle, tuple):
            bundle = bundle[0]
        for field, method, mime in _FORMS:
            form = bundle.get(mime) if isinstance(bundle, dict) and mime in bundle else _call(value, method)
            if form is not None:
                forms[field] = form
    return bounded({**forms, "is_main_result": is_main})


def bounded(forms):
    """The same as plain JSON: bytes in base64, and without what is not what it should be or is too large, largest first."""
    plain = {}
    for field, form in forms.items():
        # Pairs of a form and its metadata are IPython's.
        form = _plain(field, form[0] if isinstance(form, tuple) and form else form)
        if form is not None:
            plain[field] = form
    is_truncated = len(plain) < len(forms) or len(plain.get("text", "")) > _TEXT_CHARS_MAX
    sizes = {field: len(json.dumps(form)) for field, form in plain.items() if field != "text"}
    while sum(sizes.values()) > _FORMS_CHARS_MAX:
        largest = max(sizes, key=sizes.get)
        del sizes[largest], plain[largest]
        is_truncated = True
    return {**plain, "is_truncated": is_truncated}


def _plain(field, form):
    if isinstance(form, (bytes, bytearray, memoryview)):
        return base64.b64encode(form).decode()
    if isinstance(form, str) or field == "is_main_result":
        return form
    if field != "json":
        return None
    try:
        return json.loads(json.dumps(form, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        return None


def install_display(send):
    """Gives every module `display(...)`, as notebooks have it."""

    def display(*values, raw=False, **_):
        for value in values:
            send(_raw_result(value) if raw else result_of(value, False))

    builtins.display = display


def _raw_result(bundle):
    forms = {field: bundle[mime] for field, _, mime in _FORMS if mime in bundle}
    return bounded({"text": str(bundle.get("text/plain", "")), **forms, "is_main_result": False})


def _call(value, method):
    try:
        offered = getattr(value, method, None)
        return offered() if callable(offered) else None
    except Exception:
        return None


def _text_of(value):
    try:
        text = repr(value)
    except Exception as failure:
        text = f"<{type(value).__name__} whose repr failed: {type(failure).__name__}>"
    return text if len(text) <= _TEXT_CHARS_MAX else text[:_TEXT_CHARS_MAX] + "…"

