"""Forward Euler in steps within the stability limit."""
