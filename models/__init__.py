"""Networks written with tinygrad_np, the same by hand, and how to train them."""
