"""`make bench`: the figures of the gateway, printed; nothing is asserted of speed."""

import sys

from tests.bench import ingest, metering

ingest.main(sys.argv[1:])
metering.main()
