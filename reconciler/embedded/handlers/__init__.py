"""What each operation does: from a `Call` to the JSON object that the reference prints, or a `Refusal`."""
