"""The faults of the campaign, each played while customers write."""
