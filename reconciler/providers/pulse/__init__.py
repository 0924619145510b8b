"""The campaign server of the API reference: VMware Pulse IoT Center and its successors."""
