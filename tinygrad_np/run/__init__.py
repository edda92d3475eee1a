"""What ``train`` does around ``fit``: recipes and their networks, a run, its report."""
