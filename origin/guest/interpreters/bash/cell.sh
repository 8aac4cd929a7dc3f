eval "$__atoll_code"
# A file of its own, so that what it evaluates stands at the top level of the shell, where `declare` declares for good.
# The comment stands below because messages count the lines of the cell from here.
