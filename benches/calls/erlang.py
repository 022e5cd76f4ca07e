"""Agents by pyworkforce: reads settings as JSON, writes what it says of each. Started by forecall-bench-calls --only erlang."""

import json
import sys

from pyworkforce.queuing import ErlangC

for row in json.load(sys.stdin):
    model = ErlangC(transactions=row["calls"], aht=row["handle"], interval=row["interval"], asa=row["within"], shrinkage=row["shrinkage"])
    print(json.dumps(model.required_positions(service_level=row["level"], max_occupancy=row["occupancy"])))
