"""Networks written from the primitives, Tensors and NumPy's functions, and the same by hand."""
