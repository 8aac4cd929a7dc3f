#!/bin/sh
# Runs workerd so that it ends with the process that started it, even when that one is killed without a chance to clean up.
exec setpriv --pdeathsig KILL -- "$ATOLL_WORKERD" "$@"
