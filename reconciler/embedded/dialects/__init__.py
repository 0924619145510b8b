"""How servers of this API may answer: the reference's way, or another one, switched as a whole.

model        the ways, and presets of them
translate    from what the reference prints to how a dialect says it: pure functions
perform      manners that need more than words: a repeated start taken in silence, the last page once more
"""

from reconciler.embedded.dialects.model import PRESETS, REFERENCE, Dialect, Speech, parse_dialect, shown
from reconciler.embedded.dialects.perform import perform
from reconciler.embedded.dialects.translate import answer, offers, refused

__all__ = [
    "PRESETS",
    "REFERENCE",
    "Dialect",
    "Speech",
    "answer",
    "offers",
    "parse_dialect",
    "perform",
    "refused",
    "shown",
]
