"""What each operation does: from a call to the JSON object that the reference prints, or a `CallRefused`."""
