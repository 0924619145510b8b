"""The API as its reference has it, as an OpenAPI 3.1 document: made from one table, served and kept.

sections   the table: one row for each section of the reference
schemas    what requests and answers look like
document   the two and the server's own table of operations, put together
"""

from reconciler.embedded.openapi.document import Described, document, written
from reconciler.embedded.openapi.sections import SECTIONS, Section

__all__ = ["SECTIONS", "Described", "Section", "document", "written"]
