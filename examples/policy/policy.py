"""A policy: reads a plan as JSON from stdin, prints what it has against it, and ends with 1 if there is any.

    reconciler plan --output json | python3 policy.py

It knows nothing of reconciler but the document that `reconciler schema plan` describes.
"""

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

MOST_DEVICES = 1_000
"""Gateways that one campaign may gain at once."""
FROZEN = {4: "on a Friday", 5: "on a weekend", 6: "on a weekend"}
"""Days on which nothing is started, Monday is 0."""


def objections(plan: dict[str, Any], weekday: int) -> Iterator[str]:
    """What this policy has against `plan` on such a day."""
    for campaign in plan["impact"]["campaigns"]:
        name = campaign["resource"]
        if campaign["gained"] > MOST_DEVICES:
            yield f"{name} gains {campaign['gained']:,} gateways: at most {MOST_DEVICES:,} at once"
        if campaign["starts"] and weekday in FROZEN:
            yield f"{name} would start {FROZEN[weekday]}"
    for guard in plan["guards"]:
        if guard["waived"] is not None and len(guard["waived"]) < 10:
            yield f"the waiver of {guard['guard']} needs a reason that says more than {guard['waived']!r}"


def main() -> int:
    found = list(objections(json.load(sys.stdin), datetime.now(UTC).weekday()))
    print("\n".join(found) or "nothing against it")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
