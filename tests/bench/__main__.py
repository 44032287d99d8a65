"""`make bench`: the figures of the gateway, printed; nothing is asserted of speed."""

import sys

from tests.bench.gateway import main

main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
