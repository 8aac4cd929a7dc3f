"""The Python of one context: runs what the agent sends over descriptor 3, one call after another, in one namespace."""

import sys

# This folder was put where a program's own modules are found; a cell finds those of the working folder there.
from atoll_driver.serve import serve

sys.path[0] = ""
serve()
